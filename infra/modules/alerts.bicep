metadata name = 'Alerts'
metadata description = 'An availability test, the alerts, and the group of people they go to. docs/runbook.md says what to do on each.'

@description('Required. What the names of all alerts start with.')
param prefix string

@description('Required. Name of the action group.')
param actionGroupName string

@description('Required. Name of the availability test.')
param availabilityTestName string

@description('Required. Region.')
param location string

@description('Required. Tags.')
param tags object

@description('Required. Mail address that alerts go to; empty for none.')
param email string

@description('Required. Workspace that the logs are in.')
param logAnalyticsId string

@description('Required. Application Insights component that the availability test belongs to.')
param applicationInsightsId string

@description('Required. Where the function app answers, without a trailing slash.')
param functionAppUrl string

@description('Required. Whether there is a refresh token to watch.')
param forUser bool

@description('Required. Hours without a delivery after which a storefront that sent some is missed; 0 never misses any.')
param storefrontSilenceHours int

@description('Required. Age of the refresh token in days from which on there is an alert.')
param refreshTokenAgeDays int

// How the warning of TokenCache in cart_core/tokens.py and the error of the daily renewal in
// cart_core/use_cases/rotate_refresh_token.py begin. The failure's code follows.
var tokenFailureText = 'No new token: '
var rotationFailureText = 'refresh token rotation failed: '

// How the warning of cart_core/use_cases/rotate_refresh_token.py about a failed renewal begins. The
// token's age in days follows.
var refreshTokenAgeText = 'refresh token age '

// The last line of a successful renewal in cart_core/use_cases/rotate_refresh_token.py.
var rotatedText = 'refresh token rotated'

// The alert needs at least three failures, so that one failed order in a quiet hour does not raise
// it. The availability test's own requests are left out, because they would hide failures of carts.
var failedRequestsQuery = '''
AppRequests
| where Url !contains "/api/health" and Url !contains "/api/ready"
| summarize Failed = sumif(ItemCount, toint(ResultCode) >= 500), Total = sum(ItemCount)
| where Failed >= 3 and Failed * 10 > Total
'''

// A failure whose code ends in _unavailable mostly passes by itself. All others need a person at once.
// So does every failure of the daily renewal, which has tried twice and tries no more before the next
// day.
var tokenFailureQueryEnd = '''
| summarize Failures = count(), Renewals = countif(Daily) by Code
| where Failures >= iff(Code endswith "_unavailable", 3, 1) or Renewals > 0
'''
var tokenFailureQuery = 'AppTraces | extend Code = extract("(${tokenFailureText}|${rotationFailureText})([a-z_]+)", 2, Message), Daily = Message contains "${rotationFailureText}" | where isnotempty(Code)${tokenFailureQueryEnd}'

var refreshTokenAgeQuery = 'AppTraces | where Message contains "${refreshTokenAgeText}" | extend Days = toint(extract("${refreshTokenAgeText}([0-9]+)", 1, Message)) | where Days >= ${refreshTokenAgeDays}'

// The alert is raised where there was no such line for two days, the longest window of these rules,
// and only after the app has received requests for as long. The availability test sends one every few
// minutes.
var notRotatedQueryStart = 'let Since = toscalar(AppRequests | summarize min(TimeGenerated)); AppTraces | where Message startswith "${rotatedText}"'
var notRotatedQuery = '${notRotatedQueryStart} | summarize Lines = count() | where Lines == 0 and Since < ago(47h)'

// cart_core/api/invocation.py writes these lines, one for each request. A request without a cart
// bought nothing. Only the last line of a cart counts: callers repeat a request, and this mostly
// settles it.
var purchaseUnknownQuery = '''
AppTraces
| where Message startswith "operation=checkout_cart " or Message startswith "operation=place_order "
| extend Cart = tolower(extract(" cartId=([^ ]+)", 1, Message))
| where isnotempty(Cart)
| summarize arg_max(TimeGenerated, Message) by Cart
| where Message contains " outcome=unknown " and TimeGenerated < ago(15m)
'''

// A caller or a customer has had its share of purchases, or an order was too large. Either a limit is
// too low, or somebody buys who should not.
var purchaseLimitQuery = '''
AppTraces
| where Message startswith "operation=checkout_cart " or Message startswith "operation=place_order "
| where Message contains " code=purchase_limit_exceeded "
| extend Caller = coalesce(extract(" caller=([^ ]+)", 1, Message), "unknown")
| summarize Requests = count() by Caller
'''

// Microsoft's least number is five, with an alert from three on: trouble of a place or of two is not
// the app's.
// What cart_core/operations/sweeper.py reports once a minute. The last report counts.
var operationsText = 'operations oldestSeconds='
var lastReport = 'AppTraces | where Message startswith "${operationsText}" | summarize arg_max(TimeGenerated, Message)'
var operationsOldQuery = '${lastReport} | where toint(extract("oldestSeconds=([0-9]+)", 1, Message)) > 300'
var operationsDeadQuery = '${lastReport} | where toint(extract("dead=([0-9]+)", 1, Message)) > 0'

// As for the refresh token: there was no report, and the app has received requests for as long.
var operationsSilentQueryStart = 'let Since = toscalar(AppRequests | summarize min(TimeGenerated)); AppTraces | where Message startswith "${operationsText}"'
var operationsSilentQuery = '${operationsSilentQueryStart} | summarize Lines = count() | where Lines == 0 and Since < ago(9m)'

// cart_core/storefronts/intake.py writes these lines, one for each delivery of a storefront. A source
// that is not in the file is `unknown`: anybody can try an address.
var webhookText = 'webhook source='
var webhooks = 'AppTraces | where Message startswith "${webhookText}" | extend Source = extract("source=([^ ]+)", 1, Message), Verdict = extract("verdict=([^ ]+)", 1, Message) | where Source != "unknown"'
var webhooksRefusedQuery = '${webhooks} | summarize Refused = countif(Verdict == "refused"), Failed = countif(Verdict in ("closed", "not_stored")) by Source | where Refused >= 5 or Failed > 0'

// Windows of these rules end after two days, and so does the alert.
var webhooksSilentQuery = '${webhooks} | where Verdict != "refused" | summarize Last = max(TimeGenerated) by Source | where Last < ago(${storefrontSilenceHours}h)'

// What cart_core/storefronts/worker.py reports once a minute. The last report counts.
var storefrontsText = 'storefronts open='
var ordersParkedQuery = 'AppTraces | where Message startswith "${storefrontsText}" | summarize arg_max(TimeGenerated, Message) | where toint(extract("parked=([0-9]+)", 1, Message)) > 0 or toint(extract("oldestSeconds=([0-9]+)", 1, Message)) > 3600'

var testLocations = [
  'emea-nl-ams-azr'
  'emea-gb-db3-azr'
  'us-va-ash-azr'
  'us-ca-sjc-azr'
  'apac-sg-sin-azr'
]

var receivers = [
  {
    name: 'operators'
    emailAddress: email
    useCommonAlertSchema: true
  }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'carts'
    enabled: true
    emailReceivers: empty(email) ? [] : receivers
  }
}

resource failedRequests 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-5xx'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: more than a tenth of the requests fail with 5xx'
    description: 'In 15 minutes at least 3 requests, and more than 10 %, were answered 5xx.'
    severity: 1
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: failedRequestsQuery
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource tokenFailures 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-token-failures'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: no token for Partner Center'
    description: 'The app cannot get a token. The dimension Code is the error code: see docs/runbook.md.'
    severity: 1
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: tokenFailureQuery
          timeAggregation: 'Count'
          dimensions: [
            {
              name: 'Code'
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource purchaseUnknown 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-purchase-unknown'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: nobody knows whether an order was placed'
    description: 'The last checkout of a cart ended with outcome unknown, and nobody repeated it for 15 minutes. The dimension Cart is the cart: see docs/runbook.md.'
    severity: 1
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT15M'
    // The longest window that Azure allows. The alert ends with it, even if nobody settled the order.
    windowSize: 'P2D'
    criteria: {
      allOf: [
        {
          query: purchaseUnknownQuery
          timeAggregation: 'Count'
          dimensions: [
            {
              name: 'Cart'
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource purchaseLimit 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-purchase-limit'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: more was to be bought than is allowed'
    description: 'A purchase was refused with purchase_limit_exceeded. The dimension Caller is who asked for it: see docs/runbook.md.'
    severity: 1
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT1H'
    criteria: {
      allOf: [
        {
          query: purchaseLimitQuery
          timeAggregation: 'Count'
          dimensions: [
            {
              name: 'Caller'
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource refreshTokenAge 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = if (forUser) {
  name: '${prefix}-refresh-token-age'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: the refresh token is not being renewed'
    description: 'The refresh token is ${refreshTokenAgeDays} days old or older. It ends after 90 days: see docs/runbook.md.'
    severity: 2
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT1H'
    // The timer runs daily. A window of a day keeps the alert raised between two of its warnings.
    windowSize: 'P1D'
    criteria: {
      allOf: [
        {
          query: refreshTokenAgeQuery
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource notRotated 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = if (forUser) {
  name: '${prefix}-refresh-token-not-rotated'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: no sign of the daily renewal of the refresh token'
    description: 'For 2 days the log has not said that the refresh token was renewed: it fails, or its timer does not run. See docs/runbook.md.'
    severity: 2
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT1H'
    windowSize: 'P2D'
    criteria: {
      allOf: [
        {
          query: notRotatedQuery
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource operationsOld 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-operations-old'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: an accepted operation waits for long'
    description: 'An accepted operation has been open for more than 5 minutes: see docs/runbook.md.'
    severity: 2
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: operationsOldQuery
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource operationsDead 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-operations-dead'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: an accepted operation was given up'
    description: 'An accepted operation is dead, and waits for an operator to replay or discard it: see docs/runbook.md.'
    severity: 1
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: operationsDeadQuery
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource webhooksRefused 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-webhooks-refused'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: deliveries of a storefront are refused'
    description: 'In 15 minutes a storefront sent 5 deliveries that nobody who may has signed, or one could not be stored. The dimension Source is the storefront: see docs/runbook.md.'
    severity: 1
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: webhooksRefusedQuery
          timeAggregation: 'Count'
          dimensions: [
            {
              name: 'Source'
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource webhooksSilent 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = if (storefrontSilenceHours > 0) {
  name: '${prefix}-webhooks-silent'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: a storefront sends nothing any more'
    description: 'A storefront that sent deliveries has sent none for hours: its hook may be switched off. The dimension Source is the storefront: see docs/runbook.md.'
    severity: 2
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT1H'
    windowSize: 'P2D'
    criteria: {
      allOf: [
        {
          query: webhooksSilentQuery
          timeAggregation: 'Count'
          dimensions: [
            {
              name: 'Source'
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource ordersParked 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-orders-parked'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: orders of storefronts wait for a person'
    description: 'Orders of storefronts are parked, or one could not be worked off for an hour: see docs/runbook.md.'
    severity: 2
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: ordersParkedQuery
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource operationsSilent 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: '${prefix}-operations-silent'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Carts: no report on accepted operations'
    description: 'For 15 minutes the timer that looks after accepted operations has reported nothing: see docs/runbook.md.'
    severity: 2
    enabled: true
    scopes: [
      logAnalyticsId
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: operationsSilentQuery
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true // tests check the queries; a new workspace may not know its tables for minutes
    actions: {
      actionGroups: [
        actionGroup.id
      ]
    }
  }
}

resource availabilityTest 'Microsoft.Insights/webtests@2022-06-15' = {
  name: availabilityTestName
  location: location
  tags: union(tags, { 'hidden-link:${applicationInsightsId}': 'Resource' })
  kind: 'standard'
  properties: {
    Kind: 'standard'
    Name: availabilityTestName
    SyntheticMonitorId: availabilityTestName
    Description: 'The app starts and answers. Nothing behind it is asked.'
    Enabled: true
    Frequency: 300
    Timeout: 30
    RetryEnabled: true
    Locations: [
      for place in testLocations: {
        Id: place
      }
    ]
    Request: {
      RequestUrl: '${functionAppUrl}/api/health'
      HttpVerb: 'GET'
      ParseDependentRequests: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource unavailable 'Microsoft.Insights/metricAlerts@2026-01-01' = {
  name: '${prefix}-unavailable'
  location: 'global'
  tags: tags
  properties: {
    description: 'The health route fails from three places or more.'
    severity: 1
    enabled: true
    scopes: [
      availabilityTest.id
      applicationInsightsId
    ]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: availabilityTest.id
      componentId: applicationInsightsId
      failedLocationCount: 3
    }
    autoMitigate: true
    actions: [
      {
        actionGroupId: actionGroup.id
      }
    ]
  }
}

@description('Resource id of the action group.')
output actionGroupId string = actionGroup.id
