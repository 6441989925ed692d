metadata name = 'Lifecycle of the records'
metadata description = 'When records are deleted that nobody counts on any more.'

@description('Required. Name of the storage account.')
param storageAccountName string

@description('Required. Name of the container with the records.')
param containerName string

@description('Required. Days for which records of checkouts and orders are kept.')
param orderRetentionDays int

@description('Required. Name of the container with what storefronts send.')
param bodyContainerName string

@description('Required. Days for which that is kept after nothing is left to do for its order.')
param bodyRetentionDays int

// The same as RETENTION in cart_core/idempotency/plan.py. Both count the days from a record's last
// change, so a record that the app still uses is never deleted.
var cartRetentionDays = 7

resource account 'Microsoft.Storage/storageAccounts@2026-04-01' existing = {
  name: storageAccountName
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
                '${containerName}/carts/'
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
                '${containerName}/purchases/'
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
          name: 'delete-storefront-bodies'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${bodyContainerName}/done/'
                '${bodyContainerName}/unreadable/'
              ]
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: bodyRetentionDays
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
                '${containerName}/recent/'
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
        {
          name: 'delete-pace-records'
          enabled: true
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: [
                'blockBlob'
              ]
              prefixMatch: [
                '${containerName}/pace/'
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
