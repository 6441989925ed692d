metadata name = 'Refusals'
metadata description = 'What the template refuses before anything is made: all that ARM or the platform would refuse late, and in words of their own. It has no resources; checkov cannot read it.'

var lettersDigitsHyphen = 'abcdefghijklmnopqrstuvwxyz0123456789-'

// These belong to the platform. WEBSITE_AUTH_ENABLED, for one, would make the app believe headers that
// anybody can send.
var platformPrefixes = [
  'website_'
  'functions_'
  'azurewebjobs'
]

func strayCharacters(text string) array =>
  filter(range(0, length(text)), i => !contains(lettersDigitsHyphen, substring(text, i, 1)))

func isPlatforms(name string) bool => !empty(filter(platformPrefixes, prefix => startsWith(toLower(name), prefix)))

// ARM takes no name for a resource group that ends with a period, and none with a blank.
func refusedName(name string) string[] =>
  empty(strayCharacters(toLower(name))) && !startsWith(name, '-') && !endsWith(name, '-')
    ? []
    : ['AZURE_ENV_NAME has letters, digits and hyphens only, and no hyphen at its ends']

func refusedSettings(settings object) string[] =>
  concat(
    map(
      filter(items(settings), each => isPlatforms(each.key)),
      each => 'CARTS_MORE_SETTINGS cannot hold ${each.key}, a setting of the platform'
    ),
    map(
      filter(items(settings), each => each.value == null || string(each.value) != each.value),
      each => 'CARTS_MORE_SETTINGS holds texts only: put the value of ${each.key} into quotes'
    )
  )

func refusedTogether(asked object) string[] =>
  concat(
    asked.moreReadyThanMost
      ? ['CARTS_ALWAYS_READY_INSTANCES or CARTS_ALWAYS_READY_WORKERS is more than CARTS_MAXIMUM_INSTANCES']
      : [],
    asked.buysUnheard
      ? [
          'CARTS_ALERT_EMAIL is required where CART_ALLOW_CHECKOUT is true: somebody has to hear of a purchase that went wrong'
        ]
      : [],
    asked.budgetUnheard ? ['CARTS_ALERT_EMAIL is required with CARTS_MONTHLY_BUDGET: a budget only mails'] : [],
    asked.entraWithoutApplication
      ? ['CART_CALLERS at entra and CARTS_CALLER_CLIENT_ID go together: set both or neither']
      : [],
    asked.budgetWithoutDay ? ['CARTS_MONTHLY_BUDGET and CARTS_BUDGET_FIRST_DAY go together: set both or neither'] : []
  )

func refusals(asked object) string[] =>
  concat(refusedName(asked.environmentName), refusedSettings(asked.settings), refusedTogether(asked))

@export()
@description('The value, or the end of the deployment with the reasons, where something of what is asked for is refused.')
func unlessRefused(asked object, value string) string =>
  empty(refusals(asked)) ? value : fail(join(refusals(asked), '; '))
