metadata name = 'Authentication'
metadata description = 'App Service authentication in front of the site: it checks tokens of Microsoft Entra ID, needs no secret, and sends nobody to a login page. Roles are checked by the app.'

@description('Required. Name of the site.')
param siteName string

@description('Required. Client id of the application that stands for this API; empty where function keys admit callers.')
param clientId string

// Everybody may reach these: the health route, webhooks that carry a signature of their own, and the
// addresses of accepted operations, which hold a token of their own. No operator's route starts so.
var excludedPaths = [
  '/api/health'
  '/api/webhooks/*'
  '/api/accepted/*'
]

var entra = {
  enabled: true
  registration: {
    clientId: clientId
    openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
  }
  validation: {
    allowedAudiences: [
      clientId
      'api://${clientId}'
    ]
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' existing = {
  name: siteName
}

// It is written in both modes: a deployment that left it out would leave it as it was.
resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  // checkov:skip=CKV_AZURE_13: a part of the site; requireAuthentication is what the mode says
  // checkov:skip=CKV_AZURE_63: a part of the site, which has these properties itself
  // checkov:skip=CKV_AZURE_65: a part of the site, which has these properties itself
  // checkov:skip=CKV_AZURE_66: a part of the site, which has these properties itself
  // checkov:skip=CKV_AZURE_80: a part of the site, which has these properties itself
  // checkov:skip=CKV_AZURE_88: a part of the site, which has these properties itself
  // checkov:skip=CKV_AZURE_222: a part of the site, which has these properties itself
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: !empty(clientId)
      runtimeVersion: '~1'
    }
    globalValidation: {
      requireAuthentication: !empty(clientId)
      unauthenticatedClientAction: empty(clientId) ? 'AllowAnonymous' : 'Return401'
      excludedPaths: empty(clientId) ? [] : excludedPaths
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: empty(clientId) ? {} : { azureActiveDirectory: entra }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}
