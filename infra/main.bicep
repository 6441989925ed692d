metadata name = 'Partner Center carts'
metadata description = 'One function app that puts Partner Center carts behind an HTTP call, and all it needs.'

targetScope = 'subscription'

import { unlessRefused } from 'modules/refusals.bicep'

// ---------- //
// Parameters //
// ---------- //

@description('Required. Name of the environment: letters, digits and hyphens; upper and lower case do not matter. It goes into the name of the resource group and into the hash that ends every other name. The longest is what leaves room for carts- in the name of a deployment.')
@minLength(1)
@maxLength(58)
param environmentName string

@description('Required. Region of all resources, and of the deployment itself.')
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Required. The partner\'s tenant id: the setting PARTNER_CENTER_TENANT_ID.')
@minLength(36)
@maxLength(36)
param partnerTenantId string

@description('Required. Client id of the application that is registered in Partner Center under App management: the setting PARTNER_CENTER_CLIENT_ID.')
@minLength(36)
@maxLength(36)
param partnerClientId string

@description('Optional. How Partner Center is called: as the application alone, or for a user by the Secure Application Model. The latter adds a second vault that holds the refresh token alone.')
@allowed([
  'app_only'
  'app_user'
])
param auth string = 'app_only'

@description('Optional. How the application proves itself: by a secret or a certificate in the vault, or by the managed identity itself.')
@allowed([
  'secret'
  'certificate'
  'federated'
])
param credential string = 'secret'

@description('Optional. The Microsoft cloud that Partner Center is called in.')
@allowed([
  'global'
  'china'
  'usgov'
])
param partnerCloud string = 'global'

@description('Optional. Name of the client secret in the vault. A person puts the value there; no deployment ever holds it.')
param clientSecretName string = 'partner-center-client-secret'

@description('Optional. Name of the certificate in the vault.')
param certificateName string = 'partner-center-certificate'

@description('Optional. Name of the secret that holds the refresh token, in the second vault.')
param refreshTokenName string = 'partner-center-refresh-token'

@description('Optional. Whether carts can be checked out and orders placed: the setting CART_ALLOW_CHECKOUT. With it, everybody who holds a function key can spend; alertEmail is required then.')
param allowCheckout bool = false

@description('Optional. Days for which records of checkouts and orders count and are kept: the setting CART_ORDER_RETENTION_DAYS. Within them a repeated order does not buy again.')
@minValue(7)
@maxValue(3650)
param orderRetentionDays int = 90

@description('Optional. Days for which what storefronts send is kept, after nothing is left to do for its order.')
@minValue(1)
@maxValue(3650)
param storefrontBodyDays int = 30

@description('Optional. Hours without a delivery after which there is an alert on a storefront that sent some within two days; 0 for none.')
@minValue(0)
@maxValue(47)
param storefrontSilenceHours int = 24

@description('Optional. More settings of the app by name, such as CART_MAX_QUANTITY, each a text; see docs/contract.md. They can be read by everyone who may read the deployment: nothing secret belongs here. Settings of the platform are refused.')
param moreSettings object = {}

@description('Optional. Parallel requests for each instance. Where nothing is set the platform takes 1 for Python, and buys an instance for each parallel request.')
@minValue(1)
@maxValue(1000)
param perInstanceConcurrency int = 16

@description('Optional. Instances that are kept warm for HTTP requests. They are billed all the time; with 0 the first cart after a pause waits for a cold start.')
@minValue(0)
@maxValue(20)
param alwaysReadyInstances int = 1

@description('Optional. Instances that are kept warm to work accepted operations off. They are billed all the time; with 0 an operation waits up to some minutes for its first try after a pause.')
@minValue(0)
@maxValue(20)
param alwaysReadyWorkers int = 0

@description('Optional. Most instances at a time.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Optional. Memory of an instance in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Optional. Redundancy of the storage accounts. Not every region has zones; there it is Standard_LRS.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GZRS'
])
param storageSku string = 'Standard_ZRS'

@description('Optional. Days for which logs are kept, those of the app and its requests too.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Optional. Mail address that alerts go to. Without one they are shown in the portal only, so it is required where buying is allowed, and with a budget.')
param alertEmail string = ''

@description('Optional. Age of the refresh token in days from which on there is an alert. It is renewed daily and ends after 90 days.')
@minValue(2)
@maxValue(60)
param refreshTokenAgeDays int = 7

@description('Optional. Who admits callers: function keys, or tokens of Microsoft Entra ID. The setting CART_CALLERS.')
@allowed([
  'keys'
  'entra'
])
param callers string = 'keys'

@description('Optional. Client id of the application that stands for this API, in the tenant of the subscription; required where callers is entra.')
param callerClientId string = ''

@description('Optional. Most purchases that one caller may begin in an hour: the setting CART_MAX_PURCHASES_PER_CALLER.')
@minValue(1)
@maxValue(1000)
param maxPurchasesPerCaller int = 100

@description('Optional. Most purchases in an hour for one customer: the setting CART_MAX_PURCHASES_PER_CUSTOMER.')
@minValue(1)
@maxValue(1000)
param maxPurchasesPerCustomer int = 20

@description('Optional. Most pieces in one order: the setting CART_MAX_ORDER_QUANTITY.')
@minValue(1)
param maxOrderQuantity int = 1000

@description('Optional. Whether both storage accounts are reached from a virtual network only.')
param privateStorage bool = false

@description('Optional. Whether the vaults are reached from a virtual network only.')
param privateVaults bool = false

@description('Optional. Whether the site is reached from a virtual network only. Storefronts outside cannot call it then.')
param privateSite bool = false

@description('Optional. Addresses of the virtual network, which exists where something is private; /24 or larger.')
param networkAddresses string = '10.60.0.0/24'

@description('Optional. The Azure cloud of the subscription, which decides the names of private DNS zones.')
@allowed([
  'AzureCloud'
  'AzureUSGovernment'
  'AzureChinaCloud'
])
param azureCloud string = 'AzureCloud'

@description('Optional. Whether the storage account with the records is locked against deletion; azd down fails then.')
param lockRecords bool = false

@description('Optional. Most gigabytes of logs a day, after which the workspace takes no more until the next day; 0 is no limit.')
@minValue(0)
@maxValue(1000)
param dailyLogGigabytes int = 0

@description('Optional. What the resource group should cost a month at most, in the currency of the subscription; 0 is no budget.')
@minValue(0)
param monthlyBudget int = 0

@description('Optional. First day of the month in which the budget begins, such as 2026-12-01; required with a budget. It must not change afterwards.')
param budgetFirstDay string = ''

// --------- //
// Variables //
// --------- //

// To ARM 'Shop' and 'shop' are one resource group, and 'West Europe' and 'westeurope' one region;
// uniqueString hashes the text as it is. Without this the same environment could get a second set of
// resources, among them an empty store of records, and an order that is repeated would be bought again.
var environmentId = toLower(environmentName)
var region = toLower(replace(location, ' ', ''))

var asked = {
  environmentName: environmentName
  settings: moreSettings
  moreReadyThanMost: max(alwaysReadyInstances, alwaysReadyWorkers) > maximumInstanceCount
  buysUnheard: allowCheckout && empty(alertEmail)
  budgetUnheard: monthlyBudget > 0 && empty(alertEmail)
  entraWithoutApplication: (callers == 'entra') == empty(callerClientId)
  budgetWithoutDay: (monthlyBudget > 0) == empty(budgetFirstDay)
}

// The deployment ends here, before it makes anything, where something of that is refused.
var suffix = unlessRefused(asked, uniqueString(subscription().id, environmentId, region))

var names = {
  resourceGroup: 'rg-carts-${environmentId}'
  identity: 'id-carts-${suffix}'
  hostStorage: 'stcarts${suffix}'
  recordStorage: 'strec${suffix}'
  keyVault: 'kv-carts-${suffix}'
  refreshTokenVault: 'kv-crt-${suffix}'
  logAnalytics: 'log-carts-${suffix}'
  applicationInsights: 'appi-carts-${suffix}'
  plan: 'plan-carts-${suffix}'
  functionApp: 'func-carts-${suffix}'
  actionGroup: 'ag-carts-${suffix}'
  alertPrefix: 'alert-carts-${suffix}'
  availabilityTest: 'avail-carts-${suffix}'
  network: 'vnet-carts-${suffix}'
  endpointPrefix: 'pep-carts-${suffix}'
  budget: 'budget-carts-${suffix}'
}

// azd finds the resource group by this tag, and compares it letter by letter.
var tags = {
  'azd-env-name': environmentName
}

var isPrivate = privateStorage || privateVaults || privateSite

var zonesOfClouds = loadJsonContent('private-link-zones.json')
var zones = zonesOfClouds[azureCloud]

var storageZones = [
  zones.blob
  zones.queue
]
var vaultZones = [
  zones.vault
]
var siteZones = [
  zones.sites
]

// Which zones are needed for what is private.
var closedStorage = privateStorage ? storageZones : []
var closedVaults = privateVaults ? vaultZones : []
var closedSite = privateSite ? siteZones : []
var zonesInUse = concat(closedStorage, closedVaults, closedSite)

var forUser = auth == 'app_user'

// --------- //
// Resources //
// --------- //

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: names.resourceGroup
  location: region
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  params: {
    name: names.identity
    location: region
    tags: tags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  params: {
    logAnalyticsName: names.logAnalytics
    applicationInsightsName: names.applicationInsights
    location: region
    tags: tags
    retentionDays: logRetentionDays
    dailyGigabytes: dailyLogGigabytes
  }
}

module network 'modules/network.bicep' = if (isPrivate) {
  scope: group
  params: {
    name: names.network
    location: region
    tags: tags
    addresses: networkAddresses
    zones: zonesInUse
  }
}

module hostStorage 'modules/storage-account.bicep' = {
  scope: group
  params: {
    name: names.hostStorage
    location: region
    tags: tags
    sku: storageSku
    publicNetworkAccess: privateStorage ? 'Disabled' : 'Enabled'
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    containerName: 'deployments'
    queueNames: [
      'accepted-operations'
      'accepted-operations-poison'
    ]
  }
}

// The proof of what was bought has an account of its own: whoever gets at the host's account, which
// holds function keys and the code, can neither read nor erase it.
module recordStorage 'modules/storage-account.bicep' = {
  scope: group
  params: {
    name: names.recordStorage
    location: region
    tags: tags
    sku: storageSku
    publicNetworkAccess: privateStorage ? 'Disabled' : 'Enabled'
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    containerName: 'records'
    moreContainerNames: [
      'storefront-bodies'
    ]
  }
}

module recordLifecycle 'modules/record-lifecycle.bicep' = {
  scope: group
  params: {
    storageAccountName: names.recordStorage
    containerName: 'records'
    bodyContainerName: 'storefront-bodies'
    bodyRetentionDays: storefrontBodyDays
    orderRetentionDays: orderRetentionDays
  }
  dependsOn: [
    recordStorage
  ]
}

module keyVault 'modules/key-vault.bicep' = {
  scope: group
  params: {
    name: names.keyVault
    location: region
    tags: tags
    publicNetworkAccess: privateVaults ? 'Disabled' : 'Enabled'
    logAnalyticsId: monitoring.outputs.logAnalyticsId
  }
}

module refreshTokenVault 'modules/key-vault.bicep' = if (forUser) {
  scope: group
  params: {
    name: names.refreshTokenVault
    location: region
    tags: tags
    publicNetworkAccess: privateVaults ? 'Disabled' : 'Enabled'
    logAnalyticsId: monitoring.outputs.logAnalyticsId
  }
}

module hostBlobEndpoint 'modules/private-endpoint.bicep' = if (privateStorage) {
  scope: group
  params: {
    name: '${names.endpointPrefix}-host-blob'
    location: region
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: hostStorage.outputs.id
    groupId: 'blob'
    zone: zones.blob
  }
}

module hostQueueEndpoint 'modules/private-endpoint.bicep' = if (privateStorage) {
  scope: group
  params: {
    name: '${names.endpointPrefix}-host-queue'
    location: region
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: hostStorage.outputs.id
    groupId: 'queue'
    zone: zones.queue
  }
}

module recordEndpoint 'modules/private-endpoint.bicep' = if (privateStorage) {
  scope: group
  params: {
    name: '${names.endpointPrefix}-records'
    location: region
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: recordStorage.outputs.id
    groupId: 'blob'
    zone: zones.blob
  }
}

module vaultEndpoint 'modules/private-endpoint.bicep' = if (privateVaults) {
  scope: group
  params: {
    name: '${names.endpointPrefix}-vault'
    location: region
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: keyVault.outputs.id
    groupId: 'vault'
    zone: zones.vault
  }
}

module refreshTokenVaultEndpoint 'modules/private-endpoint.bicep' = if (privateVaults && forUser) {
  scope: group
  params: {
    name: '${names.endpointPrefix}-refresh-token-vault'
    location: region
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: refreshTokenVault!.outputs.id
    groupId: 'vault'
    zone: zones.vault
  }
}

// The names are passed as they were computed, not as outputs: what-if can then predict the roles.
module roles 'modules/role-assignments.bicep' = {
  scope: group
  params: {
    #disable-next-line what-if-short-circuiting // Azure makes the identity's object id, so no template knows it before
    principalId: identity.outputs.principalId
    hostStorageName: names.hostStorage
    recordStorageName: names.recordStorage
    recordContainerName: 'records'
    bodyContainerName: 'storefront-bodies'
    keyVaultName: names.keyVault
    applicationInsightsName: names.applicationInsights
  }
  dependsOn: [
    hostStorage
    recordStorage
    keyVault
    monitoring
  ]
}

module refreshTokenRole 'modules/refresh-token-role.bicep' = if (forUser) {
  scope: group
  params: {
    #disable-next-line what-if-short-circuiting // as above
    principalId: identity.outputs.principalId
    keyVaultName: names.refreshTokenVault
  }
  dependsOn: [
    refreshTokenVault
  ]
}

module functionApp 'modules/function-app.bicep' = {
  scope: group
  params: {
    planName: names.plan
    name: names.functionApp
    location: region
    tags: tags
    publicNetworkAccess: privateSite ? 'Disabled' : 'Enabled'
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobEndpoint: hostStorage.outputs.blobEndpoint
    queueEndpoint: hostStorage.outputs.queueEndpoint
    deploymentContainerUrl: hostStorage.outputs.containerUrl
    storeUrl: recordStorage.outputs.containerUrl
    keyVaultUrl: keyVault.outputs.url
    refreshTokenVaultUrl: forUser ? refreshTokenVault!.outputs.url : ''
    applicationInsightsConnectionString: monitoring.outputs.applicationInsightsConnectionString
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    partnerTenantId: partnerTenantId
    partnerClientId: partnerClientId
    auth: auth
    credential: credential
    partnerCloud: partnerCloud
    clientSecretName: clientSecretName
    certificateName: certificateName
    refreshTokenName: refreshTokenName
    allowCheckout: allowCheckout
    callers: callers
    maxPurchasesPerCaller: maxPurchasesPerCaller
    maxPurchasesPerCustomer: maxPurchasesPerCustomer
    maxOrderQuantity: maxOrderQuantity
    inNetwork: isPrivate
    subnetId: isPrivate ? network!.outputs.appSubnetId : ''
    orderRetentionDays: orderRetentionDays
    moreSettings: moreSettings
    perInstanceConcurrency: perInstanceConcurrency
    alwaysReadyInstances: alwaysReadyInstances
    alwaysReadyWorkers: alwaysReadyWorkers
    maximumInstanceCount: maximumInstanceCount
    instanceMemoryMB: instanceMemoryMB
  }
  // The host reads its storage as soon as the site exists, so the roles must come first.
  dependsOn: [
    roles
    refreshTokenRole
    hostBlobEndpoint
    hostQueueEndpoint
    recordEndpoint
    vaultEndpoint
    refreshTokenVaultEndpoint
  ]
}

module authentication 'modules/authentication.bicep' = {
  scope: group
  params: {
    siteName: names.functionApp
    clientId: callerClientId
  }
  dependsOn: [
    functionApp
  ]
}

module siteEndpoint 'modules/private-endpoint.bicep' = if (privateSite) {
  scope: group
  params: {
    name: '${names.endpointPrefix}-site'
    location: region
    tags: tags
    subnetId: network!.outputs.endpointSubnetId
    targetId: functionApp.outputs.id
    groupId: 'sites'
    zone: zones.sites
  }
}

module lock 'modules/lock.bicep' = if (lockRecords) {
  scope: group
  params: {
    storageAccountName: names.recordStorage
  }
  dependsOn: [
    recordStorage
  ]
}

module budget 'modules/budget.bicep' = if (monthlyBudget > 0) {
  scope: group
  params: {
    name: names.budget
    amount: monthlyBudget
    firstDay: budgetFirstDay
    actionGroupId: alerts.outputs.actionGroupId
  }
}

module alerts 'modules/alerts.bicep' = {
  scope: group
  params: {
    prefix: names.alertPrefix
    actionGroupName: names.actionGroup
    availabilityTestName: names.availabilityTest
    location: region
    tags: tags
    email: alertEmail
    logAnalyticsId: monitoring.outputs.logAnalyticsId
    applicationInsightsId: monitoring.outputs.applicationInsightsId
    functionAppUrl: functionApp.outputs.url
    forUser: forUser
    refreshTokenAgeDays: refreshTokenAgeDays
    storefrontSilenceHours: storefrontSilenceHours
  }
}

module workbook 'modules/workbook.bicep' = {
  scope: group
  params: {
    location: region
    tags: tags
    logAnalyticsId: monitoring.outputs.logAnalyticsId
  }
}

// ------- //
// Outputs //
// ------- //

@description('Name of the resource group.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the function app.')
output FUNCTION_APP_NAME string = functionApp.outputs.name

@description('Where the function app answers, without a trailing slash.')
output FUNCTION_APP_URL string = functionApp.outputs.url

@description('Object id of the managed identity: the subject of a federated credential.')
output IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId

@description('Name of the vault with the client secret or the certificate.')
output KEY_VAULT_NAME string = keyVault.outputs.name

@description('Resource id of that vault.')
output KEY_VAULT_ID string = keyVault.outputs.id

@description('Name of the vault with the refresh token; empty in app-only mode.')
output REFRESH_TOKEN_VAULT_NAME string = forUser ? refreshTokenVault!.outputs.name : ''

@description('Resource id of that vault; empty in app-only mode.')
output REFRESH_TOKEN_VAULT_ID string = forUser ? refreshTokenVault!.outputs.id : ''

@description('Entra\'s address, with a trailing slash.')
output AZURE_AUTHORITY string = environment().authentication.loginEndpoint

@description('The subscription\'s tenant, which issues the managed identity\'s tokens.')
output AZURE_TENANT_ID string = tenant().tenantId

@description('The partner\'s tenant id.')
output PARTNER_CENTER_TENANT_ID string = partnerTenantId

@description('Client id of the application in Partner Center.')
output PARTNER_CENTER_CLIENT_ID string = partnerClientId

@description('How Partner Center is called.')
output PARTNER_CENTER_AUTH string = auth

@description('How the application proves itself.')
output PARTNER_CENTER_CREDENTIAL string = credential

@description('The Microsoft cloud that Partner Center is called in.')
output PARTNER_CENTER_CLOUD string = partnerCloud

@description('Name of the client secret in the vault.')
output PARTNER_CENTER_CLIENT_SECRET_NAME string = clientSecretName

@description('Who admits callers.')
output CART_CALLERS string = callers

@description('Client id of the application that stands for this API; empty where function keys admit callers.')
output CARTS_CALLER_CLIENT_ID string = callerClientId

@description('Name of the certificate in the vault.')
output PARTNER_CENTER_CERTIFICATE_NAME string = certificateName

@description('Name of the refresh token\'s secret in the second vault.')
output PARTNER_CENTER_REFRESH_TOKEN_NAME string = refreshTokenName
