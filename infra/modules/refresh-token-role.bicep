metadata name = 'Refresh token role'
metadata description = 'The one place where the app may write a secret: the vault that holds the refresh token alone.'

@description('Required. Object id of the app\'s identity.')
param principalId string

@description('Required. Name of the vault with the refresh token.')
param keyVaultName string

var roleDefinitions = 'Microsoft.Authorization/roleDefinitions'

var roleIds = {
  'Key Vault Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7'
}

resource keyVault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: keyVaultName
}

resource writeRefreshToken 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(keyVault.id, principalId, roleIds['Key Vault Secrets Officer'])
  scope: keyVault
  properties: {
    roleDefinitionId: subscriptionResourceId(roleDefinitions, roleIds['Key Vault Secrets Officer'])
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'The app writes each renewed refresh token back as a new version and disables old ones. The vault holds nothing else.'
  }
}
