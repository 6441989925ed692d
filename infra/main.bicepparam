using './main.bicep'

// Set these variables by `azd env set NAME VALUE`; without azd, export them.

param environmentName = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param partnerTenantId = readEnvironmentVariable('PARTNER_CENTER_TENANT_ID')
param partnerClientId = readEnvironmentVariable('PARTNER_CENTER_CLIENT_ID')

param auth = readEnvironmentVariable('PARTNER_CENTER_AUTH', 'app_only')
param credential = readEnvironmentVariable('PARTNER_CENTER_CREDENTIAL', 'secret')
param partnerCloud = readEnvironmentVariable('PARTNER_CENTER_CLOUD', 'global')
param clientSecretName = readEnvironmentVariable('PARTNER_CENTER_CLIENT_SECRET_NAME', 'partner-center-client-secret')
param certificateName = readEnvironmentVariable('PARTNER_CENTER_CERTIFICATE_NAME', 'partner-center-certificate')
param refreshTokenName = readEnvironmentVariable('PARTNER_CENTER_REFRESH_TOKEN_NAME', 'partner-center-refresh-token')

param allowCheckout = bool(readEnvironmentVariable('CART_ALLOW_CHECKOUT', 'false'))
param orderRetentionDays = int(readEnvironmentVariable('CART_ORDER_RETENTION_DAYS', '90'))
param storefrontBodyDays = int(readEnvironmentVariable('CARTS_STOREFRONT_BODY_DAYS', '30'))
param storefrontSilenceHours = int(readEnvironmentVariable('CARTS_STOREFRONT_SILENCE_HOURS', '24'))

// A JSON object such as {"CART_MAX_QUANTITY": "500", "CART_REQUIRE_IDEMPOTENCY_KEY": "true"}
param moreSettings = json(readEnvironmentVariable('CARTS_MORE_SETTINGS', '{}'))

param perInstanceConcurrency = int(readEnvironmentVariable('CARTS_PER_INSTANCE_CONCURRENCY', '16'))
param alwaysReadyInstances = int(readEnvironmentVariable('CARTS_ALWAYS_READY_INSTANCES', '1'))
param alwaysReadyWorkers = int(readEnvironmentVariable('CARTS_ALWAYS_READY_WORKERS', '0'))
param maximumInstanceCount = int(readEnvironmentVariable('CARTS_MAXIMUM_INSTANCES', '40'))
param instanceMemoryMB = any(int(readEnvironmentVariable('CARTS_INSTANCE_MEMORY_MB', '2048')))
param storageSku = readEnvironmentVariable('CARTS_STORAGE_SKU', 'Standard_ZRS')
param logRetentionDays = int(readEnvironmentVariable('CARTS_LOG_RETENTION_DAYS', '30'))
param alertEmail = readEnvironmentVariable('CARTS_ALERT_EMAIL', '')
param refreshTokenAgeDays = int(readEnvironmentVariable('CARTS_REFRESH_TOKEN_AGE_DAYS', '7'))

param callers = readEnvironmentVariable('CART_CALLERS', 'keys')
param callerClientId = readEnvironmentVariable('CARTS_CALLER_CLIENT_ID', '')
param maxPurchasesPerCaller = int(readEnvironmentVariable('CART_MAX_PURCHASES_PER_CALLER', '100'))
param maxPurchasesPerCustomer = int(readEnvironmentVariable('CART_MAX_PURCHASES_PER_CUSTOMER', '20'))
param maxOrderQuantity = int(readEnvironmentVariable('CART_MAX_ORDER_QUANTITY', '1000'))
param privateStorage = bool(readEnvironmentVariable('CARTS_PRIVATE_STORAGE', 'false'))
param privateVaults = bool(readEnvironmentVariable('CARTS_PRIVATE_VAULTS', 'false'))
param privateSite = bool(readEnvironmentVariable('CARTS_PRIVATE_SITE', 'false'))
param networkAddresses = readEnvironmentVariable('CARTS_NETWORK_ADDRESSES', '10.60.0.0/24')
param azureCloud = readEnvironmentVariable('CARTS_AZURE_CLOUD', 'AzureCloud')
param lockRecords = bool(readEnvironmentVariable('CARTS_LOCK_RECORDS', 'false'))
param dailyLogGigabytes = int(readEnvironmentVariable('CARTS_DAILY_LOG_GIGABYTES', '0'))
param monthlyBudget = int(readEnvironmentVariable('CARTS_MONTHLY_BUDGET', '0'))
param budgetFirstDay = readEnvironmentVariable('CARTS_BUDGET_FIRST_DAY', '')
