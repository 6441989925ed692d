metadata name = 'Role assignments'
metadata description = 'What the app\'s identity may do: this, and nothing else.'

@description('Required. Object id of the app\'s identity.')
param principalId string

@description('Required. Name of the storage account of the host and of the deployment package.')
param hostStorageName string

@description('Required. Name of the storage account of the records.')
param recordStorageName string

@description('Required. Name of the container of the records.')
param recordContainerName string

@description('Required. Name of the container with what storefronts send.')
param bodyContainerName string

@description('Required. Name of the vault with the client secret or the certificate.')
param keyVaultName string

@description('Required. Name of the Application Insights component.')
param applicationInsightsName string

var roleDefinitions = 'Microsoft.Authorization/roleDefinitions'

var roleIds = {
  'Storage Blob Data Contributor': 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  'Storage Blob Data Owner': 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  'Storage Queue Data Contributor': '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  'Key Vault Secrets User': '4633458b-17de-408a-b874-0445c86b69e6'
  'Monitoring Metrics Publisher': '3913510d-42f4-4e42-8a64-420c390055eb'
}

resource hostStorage 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: hostStorageName
}

resource recordStorage 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: recordStorageName
}

resource recordBlobs 'Microsoft.Storage/storageAccounts/blobServices@2026-04-01' existing = {
  parent: recordStorage
  name: 'default'
}

resource records 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' existing = {
  parent: recordBlobs
  name: recordContainerName
}

resource bodies 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' existing = {
  parent: recordBlobs
  name: bodyContainerName
}

resource keyVault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: keyVaultName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource ownBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, principalId, roleIds['Storage Blob Data Owner'])
  scope: hostStorage
  properties: {
    roleDefinitionId: subscriptionResourceId(roleDefinitions, roleIds['Storage Blob Data Owner'])
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'The Functions host keeps its function keys and leases in containers that it makes itself, and reads the deployment package. This is the role that Microsoft names for AzureWebJobsStorage.'
  }
}

resource useQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, principalId, roleIds['Storage Queue Data Contributor'])
  scope: hostStorage
  properties: {
    roleDefinitionId: subscriptionResourceId(roleDefinitions, roleIds['Storage Queue Data Contributor'])
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'The app writes a message for each accepted operation, and the Functions host takes it, hides it and deletes it. The smaller roles that the page on the queue trigger names lack the right to hide one again, and without it the host shuts down.'
  }
}

resource writeRecords 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(records.id, principalId, roleIds['Storage Blob Data Contributor'])
  scope: records
  properties: {
    roleDefinitionId: subscriptionResourceId(roleDefinitions, roleIds['Storage Blob Data Contributor'])
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'The app reads and writes the records of carts and purchases in this container, and nothing else of the account.'
  }
}

resource writeBodies 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(bodies.id, principalId, roleIds['Storage Blob Data Contributor'])
  scope: bodies
  properties: {
    roleDefinitionId: subscriptionResourceId(roleDefinitions, roleIds['Storage Blob Data Contributor'])
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'The app keeps in this container what storefronts send, and moves it to where a rule deletes it.'
  }
}

resource readSecrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(keyVault.id, principalId, roleIds['Key Vault Secrets User'])
  scope: keyVault
  properties: {
    roleDefinitionId: subscriptionResourceId(roleDefinitions, roleIds['Key Vault Secrets User'])
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'The app reads its client secret, or its certificate with the private key, to ask Entra for tokens. It never writes here.'
  }
}

resource sendTelemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(applicationInsights.id, principalId, roleIds['Monitoring Metrics Publisher'])
  scope: applicationInsights
  properties: {
    roleDefinitionId: subscriptionResourceId(roleDefinitions, roleIds['Monitoring Metrics Publisher'])
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'Host and app send their telemetry as this identity, because the component takes none by instrumentation key.'
  }
}
