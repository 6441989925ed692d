metadata name = 'Lock'
metadata description = 'Nobody deletes the records of purchases before somebody has removed this lock.'

@description('Required. Name of the storage account of the records.')
param storageAccountName string

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: storageAccountName
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'records-of-purchases'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'Without these records an order that is repeated is bought again.'
  }
}
