metadata name = 'Function app'
metadata description = 'The Flex Consumption plan, and the site on it.'

@description('Required. Name of the plan.')
param planName string

@description('Required. Name of the site.')
param name string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Whether the site can be reached from outside a virtual network.')
param publicNetworkAccess string

@description('Required. Resource id of the app\'s identity.')
param identityId string

@description('Required. Client id of the app\'s identity.')
param identityClientId string

@description('Required. Address of the blob service of the host\'s storage account.')
param blobEndpoint string

@description('Required. Address of the queue service of the host, with a trailing slash.')
param queueEndpoint string

@description('Required. Address of the container that the platform deploys from.')
param deploymentContainerUrl string

@description('Required. Address of the container with the idempotency records.')
param storeUrl string

@description('Required. Address of the vault with the client secret or the certificate.')
param keyVaultUrl string

@description('Required. Address of the vault with the refresh token; empty in app-only mode.')
param refreshTokenVaultUrl string

@description('Required. Where telemetry goes.')
param applicationInsightsConnectionString string

@description('Required. Workspace that the logs go to.')
param logAnalyticsId string

@description('Required. The partner\'s tenant id.')
param partnerTenantId string

@description('Required. Client id of the application in Partner Center.')
param partnerClientId string

@description('Required. How Partner Center is called.')
param auth string

@description('Required. How the application proves itself.')
param credential string

@description('Required. The Microsoft cloud that Partner Center is called in.')
param partnerCloud string

@description('Required. Name of the client secret in the vault.')
param clientSecretName string

@description('Required. Name of the certificate in the vault.')
param certificateName string

@description('Required. Name of the refresh token\'s secret in its vault.')
param refreshTokenName string

@description('Required. Whether carts can be checked out and orders placed.')
param allowCheckout bool

@description('Required. Who admits callers.')
param callers string

@description('Required. Most purchases that one caller may begin in an hour.')
param maxPurchasesPerCaller int

@description('Required. Most purchases in an hour for one customer.')
param maxPurchasesPerCustomer int

@description('Required. Most pieces in one order.')
param maxOrderQuantity int

@description('Required. Whether the site works from a virtual network.')
param inNetwork bool

@description('Required. Resource id of the subnet that the site works from; empty where there is none.')
param subnetId string

@description('Required. Days for which records of checkouts and orders count.')
param orderRetentionDays int

@description('Required. More settings of the app by name; none of them secret.')
param moreSettings object

@description('Required. Parallel requests for each instance.')
param perInstanceConcurrency int

@description('Required. Instances that are kept warm for HTTP requests.')
param alwaysReadyInstances int

@description('Required. Instances that are kept warm for accepted operations.')
param alwaysReadyWorkers int

@description('Required. Most instances at a time.')
param maximumInstanceCount int

@description('Required. Memory of an instance in MB.')
param instanceMemoryMB int

var runtimeVersion = '3.13'

// These are names and addresses only. The app reads the secrets from the vault by itself.
var appSettings = {
  PARTNER_CENTER_TENANT_ID: partnerTenantId
  PARTNER_CENTER_CLIENT_ID: partnerClientId
  PARTNER_CENTER_AUTH: auth
  PARTNER_CENTER_CREDENTIAL: credential
  PARTNER_CENTER_CLOUD: partnerCloud
  PARTNER_CENTER_CLIENT_SECRET_NAME: clientSecretName
  PARTNER_CENTER_CERTIFICATE_NAME: certificateName
  PARTNER_CENTER_REFRESH_TOKEN_NAME: refreshTokenName
  AZURE_CLIENT_ID: identityClientId
  KEY_VAULT_URL: keyVaultUrl
  CART_STORE_URL: storeUrl
  CART_ALLOW_CHECKOUT: allowCheckout ? 'true' : 'false'
  CART_ORDER_RETENTION_DAYS: string(orderRetentionDays)
  CART_CALLERS: callers
  CART_MAX_PURCHASES_PER_CALLER: string(maxPurchasesPerCaller)
  CART_MAX_PURCHASES_PER_CUSTOMER: string(maxPurchasesPerCustomer)
  CART_MAX_ORDER_QUANTITY: string(maxOrderQuantity)
}

var userSettings = {
  KEY_VAULT_REFRESH_TOKEN_URL: refreshTokenVaultUrl
}

// Settings of the Functions host. Without the address of the queues the scale controller finds no
// message, and the function that works accepted operations off never wakes.
var platformSettings = {
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  AzureWebJobsStorage__blobServiceUri: blobEndpoint
  AzureWebJobsStorage__queueServiceUri: queueEndpoint
  AzureWebJobsDisableHomepage: 'true' // else the address itself shows a page of 150 KB that says what runs here
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY: 'true'
  OTEL_TRACES_SAMPLER: 'parentbased_always_on' // the exporter's own sampler keeps only five spans a second
}

var settings = union(moreSettings, appSettings, auth == 'app_user' ? userSettings : {}, platformSettings)

var warmForHttp = [
  {
    name: 'http'
    instanceCount: alwaysReadyInstances
  }
]

// Every function with a trigger of its own is scaled by itself, under this name.
var warmForWork = [
  {
    name: 'function:work_off'
    instanceCount: alwaysReadyWorkers
  }
]

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  // checkov:skip=CKV_AZURE_225: zones keep at least two instances warm for each group of functions, and not every region has them; callers repeat under the same key while the platform replaces an instance
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  // checkov:skip=CKV_AZURE_78: this plan rejects ftpsState; FTP is off by the policy named ftp below
  // checkov:skip=CKV_AZURE_222: storefronts and Logic Apps call it from outside; privateSite in main.bicep closes it
  // checkov:skip=CKV_AZURE_17: callers are admitted by function key; the ones it is made for have no client certificates
  // checkov:skip=CKV_AZURE_213: this plan ignores healthCheckPath; the availability test in alerts.bicep asks the health route
  // checkov:skip=CKV_AZURE_212: this plan has no numberOfWorkers; alwaysReady keeps instances, and the platform adds more
  name: name
  location: location
  // azd deploys the service of this name (azure.yaml) to the site with this tag.
  tags: union(tags, { 'azd-service-name': 'carts' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    publicNetworkAccess: publicNetworkAccess
    virtualNetworkSubnetId: inNetwork ? subnetId : null
    outboundVnetRouting: {
      applicationTraffic: inNetwork
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      http20Enabled: true
      remoteDebuggingEnabled: false
      webSocketsEnabled: false
      appSettings: [
        for setting in items(settings): {
          name: setting.key
          value: setting.value
        }
      ]
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: deploymentContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      runtime: {
        name: 'python'
        version: runtimeVersion
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
        alwaysReady: concat(alwaysReadyInstances == 0 ? [] : warmForHttp, alwaysReadyWorkers == 0 ? [] : warmForWork)
        triggers: {
          http: {
            perInstanceConcurrency: perInstanceConcurrency
          }
        }
      }
    }
  }
}

// These two policies turn FTP and basic authentication off. The plan rejects ftpsState.
resource ftpCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmCredentials 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

#disable-next-line use-recent-api-versions // no stable version knows groups of categories
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'to-log-analytics'
  scope: site
  properties: {
    workspaceId: logAnalyticsId
    logs: [
      {
        category: 'FunctionAppLogs'
        enabled: true
      }
    ]
    metrics: [
      {
        category: 'AllMetrics'
        enabled: true
      }
    ]
  }
}

@description('Resource id of the site.')
output id string = site.id

@description('Name of the site.')
output name string = site.name

@description('Where the site answers, without a trailing slash.')
output url string = 'https://${site.properties.defaultHostName}'
