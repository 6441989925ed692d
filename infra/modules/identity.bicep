metadata name = 'Identity'
metadata description = 'The user-assigned managed identity that the app is everywhere.'

@description('Required. Name of the identity.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id of the identity.')
output id string = identity.id

@description('Client id: the setting AZURE_CLIENT_ID.')
output clientId string = identity.properties.clientId

@description('Object id, for role assignments and federated credentials.')
output principalId string = identity.properties.principalId
