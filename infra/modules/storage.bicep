metadata name = 'Storage'
metadata description = 'The storage account of the Functions host, of the deployment package and of the idempotency records.'

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

@description('Required. Days for which records of checkouts and orders are kept.')
param orderRetentionDays int

// The same as RETENTION in cart_core/idempotency/plan.py. Both count the days from a record's last
// change, so a record that the app still uses is never deleted.
var cartRetentionDays = 7

var softDeleteDays = 7

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' = {
  // checkov:skip=CKV_AZURE_206: records count in one region; zones (the default) protect them, a copy in another region that nobody fails over to would not
  // checkov:skip=CKV_AZURE_35: without a virtual network the app has no address to let in; keys are off, so that only the identity's tokens open the account
  // checkov:skip=CKV_AZURE_59: as CKV_AZURE_35; publicNetworkAccess in main.bicep closes it once there are private endpoints
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
      defaultAction: 'Allow'
      bypass: 'AzureServices'
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

resource deployments 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' = {
  parent: blobs
  name: 'deployments'
  properties: {
    publicAccess: 'None'
  }
}

resource records 'Microsoft.Storage/storageAccounts/blobServices/containers@2026-04-01' = {
  parent: blobs
  name: 'records'
  properties: {
    publicAccess: 'None'
  }
}

// A prefix starts with the container's name, and a rule cannot exclude blobs: a rule for the whole
// container would delete records of purchases as early as records of carts. A blob with none of these
// prefixes is never deleted.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2026-04-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'delete-cart-records'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${records.name}/carts/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: cartRetentionDays
                }
              }
            }
          }
        }
        {
          name: 'delete-purchase-records'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${records.name}/purchases/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: orderRetentionDays
                }
              }
            }
          }
        }
        {
          name: 'delete-recent-records'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${records.name}/recent/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: 1
                }
              }
            }
          }
        }
      ]
    }
  }
}

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

@description('Name of the account.')
output name string = account.name

@description('Address of the blob service, with a trailing slash.')
output blobEndpoint string = account.properties.primaryEndpoints.blob

@description('Address of the container that the platform deploys from.')
output deploymentContainerUrl string = '${account.properties.primaryEndpoints.blob}${deployments.name}'

@description('Address of the container with the idempotency records: the setting CART_STORE_URL.')
output recordsContainerUrl string = '${account.properties.primaryEndpoints.blob}${records.name}'
