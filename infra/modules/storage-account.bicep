metadata name = 'Storage account'
metadata description = 'A storage account with one container, which only identities can open.'

@description('Required. Name of the account.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Redundancy.')
param sku string

@description('Required. Whether the account can be reached from outside a virtual network.')
param publicNetworkAccess string

@description('Required. Workspace that the logs go to.')
param logAnalyticsId string

@description('Required. Name of the container.')
param containerName string

@description('Optional. Names of more containers.')
param moreContainerNames array = []

@description('Optional. Names of queues that are made.')
param queueNames array = []

var softDeleteDays = 7

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' = {
  // checkov:skip=CKV_AZURE_206: records count in one region; zones (the default) protect them, a copy in another region that nobody fails over to would not
  // checkov:skip=CKV_AZURE_35: without a virtual network the app has no address to let in; keys are off, so that only the identity's tokens open the account
  // checkov:skip=CKV_AZURE_59: as CKV_AZURE_35; a parameter of main.bicep closes it
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: publicNetworkAccess
    networkAcls: {
      defaultAction: publicNetworkAccess == 'Enabled' ? 'Allow' : 'Deny'
      bypass: publicNetworkAccess == 'Enabled' ? 'AzureServices' : 'None'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2026-04-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' = {
  parent: blobs
  name: containerName
  properties: {
    publicAccess: 'None'
  }
}

resource moreContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' = [
  for name in moreContainerNames: {
    parent: blobs
    name: name
    properties: {
      publicAccess: 'None'
    }
  }
]

#disable-next-line use-recent-api-versions // no stable version knows groups of categories
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: blobs
  properties: {
    workspaceId: logAnalyticsId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2026-04-01' = if (!empty(queueNames)) {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2026-04-01' = [
  for queueName in queueNames: {
    parent: queueService
    name: queueName
  }
]

#disable-next-line use-recent-api-versions // as above
resource queueDiagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(queueNames)) {
  name: 'queues-to-log-analytics'
  scope: queueService
  properties: {
    workspaceId: logAnalyticsId
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'Transaction'
        enabled: true
      }
    ]
  }
}

@description('Resource id of the account.')
output id string = account.id

@description('Name of the account.')
output name string = account.name

@description('Address of the blob service, with a trailing slash.')
output blobEndpoint string = account.properties.primaryEndpoints.blob

@description('Address of the queue service, with a trailing slash.')
output queueEndpoint string = account.properties.primaryEndpoints.queue

@description('Address of the container.')
output containerUrl string = '${account.properties.primaryEndpoints.blob}${container.name}'
