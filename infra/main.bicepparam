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

// A JSON object such as {"CART_MAX_QUANTITY": "500", "CART_REQUIRE_IDEMPOTENCY_KEY": "true"}
param moreSettings = json(readEnvironmentVariable('CARTS_MORE_SETTINGS', '{}'))

param perInstanceConcurrency = int(readEnvironmentVariable('CARTS_PER_INSTANCE_CONCURRENCY', '16'))
param alwaysReadyInstances = int(readEnvironmentVariable('CARTS_ALWAYS_READY_INSTANCES', '1'))
param maximumInstanceCount = int(readEnvironmentVariable('CARTS_MAXIMUM_INSTANCES', '40'))
param instanceMemoryMB = any(int(readEnvironmentVariable('CARTS_INSTANCE_MEMORY_MB', '2048')))
param storageSku = readEnvironmentVariable('CARTS_STORAGE_SKU', 'Standard_ZRS')
param logRetentionDays = int(readEnvironmentVariable('CARTS_LOG_RETENTION_DAYS', '30'))
param alertEmail = readEnvironmentVariable('CARTS_ALERT_EMAIL', '')
param refreshTokenAgeDays = int(readEnvironmentVariable('CARTS_REFRESH_TOKEN_AGE_DAYS', '7'))
