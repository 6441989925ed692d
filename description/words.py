"""The texts of the description: titles and descriptions for people who read the API."""

from collections.abc import Mapping

from cart_core.problem import Code

API_TITLE = "Partner Center Carts"
API_DESCRIPTION = """\
Microsoft Partner Center's carts behind one HTTP call: each cart is validated, sent once, and
answered in one normalised form. All errors have the same shape. They are sent as
`application/json`, or as `application/problem+json` where the `Accept` header names it.

Every answer of this API has the header `MS-CorrelationId`. An answer without it comes from the
platform, mostly without a body, and says nothing about an order. After 429, 500, 502, 503 and 504
send the same request under the same key after a pause. A wrong route or method is a 404, and so is
a cold start at times: try a few times over some minutes, then alert somebody. A 401, or any other
status, is not worth another try."""

MEMBERS: Mapping[str, tuple[str, str]] = {
    # Parameters and headers of requests
    "customerId": (
        "Customer ID",
        "The customer's Microsoft tenant id, a GUID in upper or lower case, and not all zeros.",
    ),
    "cartId": ("Cart ID", "The cart's id, a GUID in upper or lower case, and not all zeros."),
    "Idempotency-Key": (
        "Idempotency Key",
        "A key that identifies the order: 1 to 255 visible ASCII characters, bare or in quotes. A "
        "key with a comma needs the quotes. However often a request is sent with the same key, it "
        "takes effect once; a repetition gets the earlier answer.",
    ),
    "webhook-id": (
        "Webhook ID",
        "Used as the idempotency key where there is no Idempotency-Key.",
    ),
    "MS-CorrelationId": (
        "Correlation ID",
        "A GUID that identifies the call in the logs of the caller, of this API and of Partner "
        "Center. The caller's value is passed on and returned. Without one, the GUID that Logic "
        "Apps sends in x-ms-client-tracking-id is used, else a new one.",
    ),
    "X-Locale": (
        "Locale",
        "The language of Partner Center's messages, such as en-US. A value that is not a language "
        "tag, or has more than 35 characters, is ignored.",
    ),
    "Prefer": (
        "Preference",
        "A list of preferences (RFC 7240). With omit-values=nulls, members that are null are left "
        "out of the answer; without it, every member is present. With respond-async, a request "
        "with an idempotency key is answered 202 at once, and carried out afterwards. Others are "
        "ignored.",
    ),
    "x-ms-customeruser-upn": (
        "Customer User",
        "The customer's user who gets the licences, as user@domain with at most 256 visible ASCII "
        "characters.",
    ),
    "domain": ("Domain", "A verified domain of the customer, such as contoso.com."),
    "query.search": (
        "Search",
        "The beginning of the customer's name or default domain, or a part of the product's title "
        "or id, in any case.",
    ),
    "query.segment": (
        "Segment",
        "The customer segment to look in: commercial where it is left out, education, government "
        "or nonprofit.",
    ),
    "query.preflight": (
        "Preflight",
        "With true, the cart is looked at before it is made, and blockers end the order. It is no "
        "part of what is ordered.",
    ),
    "query.view": (
        "View",
        "The part of the catalogue to look through, as Partner Center's targetView: "
        "OnlineServices where it is left out.",
    ),
    "query.productId": ("Product ID", "The product, such as CFQ7TTC0LH18."),
    "query.skuId": (
        "SKU ID",
        "The SKU in its product, such as 0001. Without it the SKUs of the product are listed.",
    ),
    "query.termDuration": ("Term", "The term of which alone the billing cycles are listed."),
    "async": (
        "Asynchronous",
        "With true, the request is answered 202 at once, and carried out afterwards. It is the "
        "same as the preference respond-async, for callers that cannot set the header Prefer.",
    ),
    "operationId": ("Operation ID", "The id of an accepted operation."),
    "token": ("Token", "The token of an accepted operation, as it stands in its addresses."),
    # Headers of answers
    "Location": (
        "Location",
        "The path of the new cart in this API; with a 202 the address of the result.",
    ),
    "Operation-Location": (
        "Operation Location",
        "The address at which the status of the accepted operation is told.",
    ),
    "MS-RequestId": (
        "Request ID",
        "The id of the request to Partner Center. Quote it to Microsoft's support.",
    ),
    "MS-CV": (
        "Correlation Vector",
        "The id that Partner Center traces the request by, where it sent one.",
    ),
    "MS-ServerId": (
        "Server ID",
        "The Partner Center server that answered, where Partner Center names it.",
    ),
    "Idempotent-Replayed": (
        "Idempotent Replayed",
        "Present, with the value true, where the answer repeats that to an earlier request with "
        "the same key.",
    ),
    "Retry-After": (
        "Retry After",
        "The number of whole seconds to wait before the same request is repeated.",
    ),
    "Preference-Applied": (
        "Preference Applied",
        "The preferences that were honoured: omit-values=nulls where members that are null were "
        "left out, respond-async where the request was accepted and not waited for.",
    ),
    # Models
    "Cart": (
        "Cart to Order",
        "The cart to create or order. Member names match in any case. Members that only answers "
        "have are accepted, so that an answer can be sent back, but are not sent to Partner "
        "Center. Undocumented members are sent on with a warning, or refused, depending on the "
        "function's settings; by default they are refused for orders only. A name that looks like "
        "a misspelled documented name is always refused.",
    ),
    "LineItem": ("Line Item to Order", "One product to buy."),
    "Participant": (
        "Participant to Order",
        "One participant in the purchase; several may have the same role.",
    ),
    "RenewsTo": ("Renewal to Order", "The subscription that a trial becomes when it ends."),
    "PurchaseCommitment": (
        "Purchase Commitment to Order",
        "The commitment of an Azure savings plan.",
    ),
    "PurchaseCommitmentAnswer": (
        "Purchase Commitment of Line",
        "The commitment of an Azure savings plan.",
    ),
    "CartAnswer": (
        "Cart",
        "A cart as Partner Center has it. Members that are null are present too, unless the "
        "request prefers otherwise. Members that Partner Center "
        "adds in future are passed on under their own names, in the cart and in all objects in "
        "it.",
    ),
    "LineItemAnswer": ("Line Item", "One product in the cart."),
    "ParticipantAnswer": ("Participant", "One participant in the purchase."),
    "RenewsToAnswer": ("Renewal", "The subscription that a trial becomes when it ends."),
    "LineErrorAnswer": ("Line Error", "The reason why a line cannot be ordered as it is."),
    "LinksAnswer": ("Links", "The paths of the cart in this API."),
    "CheckoutAnswer": (
        "Checkout",
        "The orders that were made. Members that are null are present too, unless the request "
        "prefers otherwise. Members that Partner Center adds "
        "in future are passed on under their own names, in the checkout and in all objects in it.",
    ),
    "OrderAnswer": ("Order", "One order that Partner Center made from the cart."),
    "OrderLineAnswer": ("Order Line", "One product that was bought."),
    "OrderErrorAnswer": (
        "Order Error",
        "The reason why one order group of the cart was not ordered.",
    ),
    "ProblemAnswer": (
        "Problem",
        "An error: the members of RFC 9457, and some that only this API has.",
    ),
    "FieldError": ("Remark", "One error in a request, or one warning about it."),
    "Fault": ("Partner Center Fault", "The error that Partner Center answered."),
    "Outcome": (
        "Outcome",
        "What is known about the effect of the request: not_sent (Partner Center never received "
        "it), rejected (Partner Center received it, and it had no effect), unknown (it may have "
        "taken effect).",
    ),
    "AcceptedAnswer": (
        "Accepted Operation",
        "An operation that was accepted to be worked off later, and what has become of it.",
    ),
    "ResultAnswer": ("Result", "The answer that the request would have been given."),
    "OpenOperationsAnswer": ("Open Operations", "Operations that have not ended."),
    "OpenOperationAnswer": ("Open Operation", "An operation that has not ended."),
    "OperatedAnswer": ("Operated Operation", "What an operation has become by an operator."),
    "ReadyAnswer": (
        "Readiness",
        "What there is of all that a request needs, and what is still missing.",
    ),
    "LinkAnswer": ("Link", "One link of the chain that a request goes along."),
    "ParkedOrdersAnswer": ("Parked Orders", "Orders of storefronts that wait for a person."),
    "ParkedOrderAnswer": ("Parked Order", "An order of a storefront that waits for a person."),
    "StorefrontOrderAnswer": ("Storefront Order", "An order of a storefront, and its end."),
    "PartAnswer": ("Part", "What one customer gets of an order."),
    "PartResultAnswer": ("Part Result", "What became of one customer's part of an order."),
    "ReasonAnswer": ("Reason", "Why an order waits for a person."),
    "ParkedOrderChangedAnswer": (
        "Changed Order",
        "What a parked order has become by an operator.",
    ),
    "HealthAnswer": ("Health", "A sign that the function runs, with its version."),
    # Carts and their lines
    "id": ("ID", "The cart's id, which Partner Center assigned."),
    "LineItem.id": (
        "Line ID",
        "A whole number from 0, or such a number as text, unique among lines and add-ons. Lines "
        "without an id get the lowest unused numbers.",
    ),
    "LineItemAnswer.id": ("Line ID", "The line's number, unique among lines and add-ons."),
    "OrderAnswer.id": ("Order ID", "The order's id, which may be a GUID or not."),
    "status": ("Status", "The cart's status, Active or Ordered."),
    "creationTimestamp": ("Created", "When the cart was created, in UTC."),
    "lastModifiedTimestamp": ("Last Modified", "When the cart was changed last, in UTC."),
    "expirationTimestamp": ("Expires", "When the cart expires unless it is ordered, in UTC."),
    "lastModifiedUser": ("Last Modified By", "The id of the user or app that changed it last."),
    "partnerOnRecordAttestationAccepted": (
        "Partner on Record Attestation Accepted",
        "Whether an indirect provider attests the partner on record, where that is required.",
    ),
    "orderable": (
        "Orderable",
        "False where any line or add-on, at any depth, has an error: such a cart cannot be "
        "checked out.",
    ),
    "lineItems": ("Line Items", "The products, one line for each."),
    "links": ("Links", "The paths of the cart in this API."),
    "self": ("Self", "The path of the cart itself."),
    "warnings": ("Warnings", "Remarks about a request that succeeded."),
    "catalogItemId": (
        "Catalog Item ID",
        "Product, SKU and availability as ProductId:SkuId:AvailabilityId. In a request it may be "
        "ProductId:SkuId, and the availability of the moment is put in; the name catalogId is "
        "accepted too.",
    ),
    "productId": (
        "Product ID",
        "The product, such as CFQ7TTC0LH18: with skuId instead of the catalogItemId.",
    ),
    "skuId": ("SKU ID", "The SKU in its product, such as 0001; leading zeros may be missing."),
    "segment": (
        "Segment",
        "The customer segment for which a SKU is bought, commercial where it is left out. It "
        "stands beside a SKU only, and is not sent.",
    ),
    "friendlyName": ("Friendly Name", "A name that the partner gives to the line."),
    "quantity": ("Quantity", "How many licences or instances, a whole number from 1."),
    "currencyCode": ("Currency", "The currency as three letters, such as USD."),
    "billingCycle": (
        "Billing Cycle",
        "How often it is billed. In a request any spelling is accepted, such as OneTime for "
        "one_time.",
    ),
    "termDuration": (
        "Term",
        "The term as an ISO 8601 duration, such as P1M, P1Y or P3Y.",
    ),
    "participants": (
        "Participants",
        "The other partners in the purchase.",
    ),
    "key": ("Role", "The participant's role, such as transaction_reseller."),
    "value": ("Partner ID", "The participant's PartnerID."),
    "provisioningContext": (
        "Provisioning Context",
        "Values that the product needs to be provisioned: texts by name, such as scope.",
    ),
    "orderGroup": ("Order Group", "Lines with the same order group go into one order."),
    "addonItems": ("Add-On Items", "Line items that belong to this one, to any depth."),
    "renewsTo": (
        "Renews To",
        "The subscription that a trial becomes when it ends.",
    ),
    "promotionId": ("Promotion ID", "The promotion that applies."),
    "customTermEndDate": (
        "Custom Term End Date",
        "When the first term ends, to align it with other subscriptions. A time without a zone "
        "is read as UTC.",
    ),
    "attestationAccepted": (
        "Attestation Accepted",
        "Whether the customer accepted the attestation that the product requires.",
    ),
    "pricing": ("Pricing", "The prices before tax, where Partner Center states them."),
    "purchaseCommitment": (
        "Purchase Commitment",
        "The spending to which an Azure savings plan commits the customer.",
    ),
    "amount": ("Amount", "The committed amount for each grain, more than 0."),
    "currency": ("Currency", "The currency of the amount, such as usd."),
    "grain": ("Grain", "The period that the amount is for, such as hourly."),
    "purchaseSystem": (
        "Purchase System",
        "A member that only Microsoft's SDK names; its meaning is not documented.",
    ),
    "error": (
        "Error",
        "The reason why this line cannot be ordered as it is; null where it can.",
    ),
    "LineErrorAnswer.code": ("Code", "The error's number, such as 10001."),
    "name": ("Name", "The error's name in Microsoft's SDK; null where the SDK has none."),
    "description": ("Description", "Partner Center's description of the error."),
    "additionalInformation": (
        "Additional Information",
        "Details that Partner Center adds, such as availableQuantity.",
    ),
    # Checkouts and orders
    "CheckoutAnswer.status": (
        "Status",
        "How much was ordered: completed (everything), partial (some order groups failed; the "
        "same request tries them again), in_progress (some order groups may be ordered; the same "
        "request finds out), or ordered (the cart was ordered before, and Partner "
        "Center does not say which orders came of it).",
    ),
    "orders": ("Orders", "The orders that Partner Center made from the cart."),
    "orderErrors": ("Order Errors", "The order groups of the cart that failed."),
    "OrderErrorAnswer.outcome": (
        "Outcome",
        "Whether the group was not ordered (rejected), or may be ordered all the same (unknown).",
    ),
    "alternateId": ("Alternate ID", "Another id of the order."),
    "referenceCustomerId": ("Reference Customer ID", "The customer that the order is for."),
    "OrderAnswer.status": ("Status", "The order's status, such as completed or pending."),
    "transactionType": ("Transaction Type", "The kind of purchase, such as UserPurchase."),
    "currencySymbol": ("Currency Symbol", "The currency's symbol, such as $."),
    "creationDate": ("Created", "When the order was made, in UTC."),
    "totalPrice": ("Total Price", "The order's price before tax."),
    "OrderAnswer.lineItems": ("Line Items", "The products that were bought, one line for each."),
    "lineItemNumber": ("Line Number", "The number of the line in the order."),
    "offerId": ("Offer ID", "The catalog item that was bought."),
    "subscriptionId": (
        "Subscription ID",
        "The subscription that was bought; null until it is provisioned.",
    ),
    "parentSubscriptionId": ("Parent Subscription ID", "The subscription that an add-on is for."),
    "partnerIdOnRecord": ("Partner on Record ID", "The PartnerID of the reseller on record."),
    "additionalPartnerIdsOnRecord": (
        "Additional Partner on Record IDs",
        "The PartnerIDs of further resellers.",
    ),
    "orderGroupId": ("Order Group ID", "The order group that failed, as in the lines' orderGroup."),
    "code": ("Code", "A code for programs, which is the same in every language."),
    # Problems and remarks
    "type": ("Type", "The code as a URN."),
    "title": ("Title", "The meaning of the code in a few words."),
    "ProblemAnswer.status": ("Status", "The HTTP status."),
    "FieldError.code": (
        "Code",
        "The kind of remark, such as required or unknown_member; see docs/contract.md.",
    ),
    "detail": ("Detail", "An explanation of this occurrence for people."),
    "instance": ("Instance", "The correlation id as a URN."),
    "errors": (
        "Errors",
        "The errors in the request. At most 100 are listed; detail has the total, or says that "
        "there are more.",
    ),
    "requestId": ("Request ID", "The MS-RequestId; null where nothing was sent to Partner Center."),
    "correlationId": ("Correlation ID", "The MS-CorrelationId."),
    "retryable": (
        "Retryable",
        "Whether the same request may succeed later. It is always true where the outcome is "
        "unknown.",
    ),
    "outcome": ("Outcome", "What is known about the effect of the request."),
    "partnerCenter": (
        "Partner Center",
        "Partner Center's error; null where Partner Center did not answer with one.",
    ),
    "cart": (
        "Cart",
        "The cart that cannot be ordered, with the errors of its lines; null for other codes.",
    ),
    "ProblemAnswer.orderErrors": (
        "Order Errors",
        "The reasons why nothing was ordered; empty for other codes.",
    ),
    "unavailableItems": (
        "Unavailable Items",
        "The lines for which no availability can be taken, with what may be chosen instead; empty "
        "for other codes.",
    ),
    # Customers, products and offers
    "CustomerAnswer": ("Customer", "A customer of the partner."),
    "CustomerAnswer.id": ("Customer ID", "The customer's Microsoft tenant id."),
    "CustomerAnswer.name": ("Name", "The customer's company name."),
    "CustomerAnswer.domain": ("Default Domain", "The default domain of the customer's tenant."),
    "CustomerAnswer.country": (
        "Country",
        "The country of the billing profile, as two letters; null in a search, which does not have "
        "it.",
    ),
    "relationship": ("Relationship", "The relationship to the partner, such as reseller."),
    "CustomersAnswer": ("Customers", "The customers that were found."),
    "customers": ("Customers", "The customers by their names."),
    "totalCount": ("Total Count", "How many were found."),
    "ProductsAnswer": ("Products", "The products that were found."),
    "products": ("Products", "The products by their titles, at most 2000 of them."),
    "ProductAnswer": ("Product", "A product of the customer's catalogue."),
    "ProductAnswer.id": ("Product ID", "The product's id, such as CFQ7TTC0LH18."),
    "ProductAnswer.title": ("Product Title", "The product's title."),
    "productType": ("Product Type", "The kind of product, such as OnlineServicesNCE."),
    "OffersAnswer": ("Offers", "The SKUs that the customer may buy of a product."),
    "OffersAnswer.segment": ("Segment", "The segment that was looked in."),
    "offers": ("Offers", "The SKUs."),
    "terms": ("Terms", "The terms of the SKU that was asked for."),
    "billingCycles": ("Billing Cycles", "The billing cycles of the SKU that was asked for."),
    "OfferAnswer": ("Offer", "A SKU, with what it asks of those who buy it."),
    "OfferAnswer.productId": ("Product ID", "The product of the SKU."),
    "OfferAnswer.skuId": ("SKU ID", "The SKU in its product, four characters."),
    "OfferAnswer.title": ("SKU Title", "The title of the SKU."),
    "minimumQuantity": ("Minimum Quantity", "The smallest quantity of a line."),
    "maximumQuantity": ("Maximum Quantity", "The largest quantity, for seats of all lines."),
    "isTrial": ("Is Trial", "Whether it is a trial."),
    "isAddon": ("Is Add-On", "Whether it needs one of the bases."),
    "bases": ("Bases", "The SKUs of which an add-on needs one, as ProductId:SkuId."),
    "purchasePrerequisites": (
        "Purchase Prerequisites",
        "What has to be so before it is bought, such as MicrosoftCustomerAgreement.",
    ),
    "provisioningVariables": (
        "Provisioning Variables",
        "The names that the provisioningContext of a line needs.",
    ),
    "attestationRequired": (
        "Attestation Required",
        "Whether a line needs attestationAccepted.",
    ),
    "pairs": (
        "Pairs",
        "The pairs of term and billing cycle that can be bought today; null where no SKU was asked "
        "for.",
    ),
    "PreflightAnswer": ("Preflight", "What was found about a cart that was not sent."),
    "blocked": (
        "Blocked",
        "Whether any finding is a blocker. False says nothing of what is unknown.",
    ),
    "findings": ("Findings", "What stands against the purchase, and what cannot be known."),
    "passed": ("Passed", "The checks that have no finding."),
    "FindingAnswer": ("Finding", "One thing that was found."),
    "check": ("Check", "What was looked at."),
    "severity": (
        "Severity",
        "One of blocker (it would not be sold), warning (it would be sold, but perhaps not as it "
        "is meant), or unknown (detail says why).",
    ),
    "TermAnswer": ("Offered Term", "A term that is offered."),
    "TermAnswer.title": ("Term Name", "The name of the term for people."),
    "BillingCycleAnswer": ("Offered Billing Cycle", "A billing cycle that is offered."),
    "BillingCycleAnswer.title": ("Billing Cycle Name", "The name of the cycle for people."),
    "failure": ("Failure", "The reason why no availability can be taken."),
    "offered": ("Offered", "The pairs of term and billing cycle that are offered."),
    "candidates": ("Candidates", "The availabilities of which the line has to name one."),
    "UnavailableItemAnswer": (
        "Unavailable Item",
        "A line for which no availability can be taken.",
    ),
    "PairAnswer": ("Offered Pair", "A term with a billing cycle that it is offered with."),
    "CandidateAnswer": ("Candidate", "An availability that may be meant."),
    "country": ("Country", "The country as two letters."),
    "renewable": ("Renewable", "Whether the subscription can be renewed."),
    "pointer": (
        "Pointer",
        "A JSON Pointer into the request body, with the caller's spelling of names; empty for the "
        "request as a whole.",
    ),
    "Fault.status": ("Status", "The HTTP status of Partner Center's answer."),
    "source": ("Source", "The part of Partner Center that failed."),
    "data": ("Data", "Further details from Partner Center."),
    # Accepted operations
    "AcceptedAnswer.id": ("ID", "The id of the operation."),
    "AcceptedAnswer.status": (
        "Status",
        "NotStarted and Running until the operation has ended: Succeeded with a result, or Failed "
        "with an error.",
    ),
    "createdDateTime": ("Created", "When the operation was accepted."),
    "lastActionDateTime": ("Last Action", "When the record of the operation was last written."),
    "attempts": ("Attempts", "How often the operation was begun."),
    "nextAttemptDateTime": (
        "Next Attempt",
        "When the operation is tried again; null where it is not put off.",
    ),
    "result": ("Result", "The answer, once the operation has succeeded; else null."),
    "AcceptedAnswer.error": ("Error", "The error, once the operation has failed; else null."),
    "ResultAnswer.status": ("Status", "The HTTP status of the answer."),
    "ResultAnswer.headers": ("Headers", "The headers of the answer."),
    "ResultAnswer.body": ("Body", "The body of the answer."),
    "total": ("Total", "How many there are, listed or not."),
    "operations": ("Operations", "The operations, the oldest first."),
    "OpenOperationAnswer.id": ("ID", "The id of the operation."),
    "OperatedAnswer.id": ("ID", "The id of the operation."),
    "state": (
        "State",
        "An operation that is waiting or running is worked off by itself; dead was given up, and "
        "parked was discarded although nobody knows whether it had its effect.",
    ),
    "operation": ("Operation", "What was asked for, such as place_order."),
    "acceptedDateTime": ("Accepted", "When the operation was accepted."),
    "OpenOperationAnswer.code": ("Code", "The error code of the last try; null without one."),
    # Orders of storefronts
    "ParkedOrdersAnswer.orders": ("Orders", "The orders, the oldest first."),
    "ParkedOrderAnswer.id": ("ID", "The id of the order here."),
    "ParkedOrderChangedAnswer.id": ("ID", "The id of the order here."),
    "storefront": ("Source", "The name of the storefront in storefronts.toml."),
    "ParkedOrderAnswer.source": ("Source", "The name of the storefront in storefronts.toml."),
    "orderId": ("Order ID", "The id of the order in the shop."),
    "ParkedOrderAnswer.state": ("State", "Always parked."),
    "ParkedOrderChangedAnswer.state": (
        "State",
        "An open order is looked into again; a discarded one is never bought.",
    ),
    "receivedDateTime": ("Received", "When the delivery that decides was received."),
    "reasons": ("Reasons", "All that keeps the order from being bought."),
    "ReasonAnswer.code": ("Code", "The reason, as docs/storefronts.md lists them."),
    "line": ("Line", "The id of the line in the shop; null for the order as a whole."),
    "about": ("About", "What was found, such as a SKU."),
    "advice": ("Advice", "What to do about it."),
    "StorefrontOrderAnswer.id": ("ID", "The id of the order here."),
    "StorefrontOrderAnswer.source": ("Source", "The name of the storefront in storefronts.toml."),
    "StorefrontOrderAnswer.state": (
        "State",
        "An open order is being looked into, a waiting one is not paid yet, a parked one waits for "
        "a person, and the source refuses a refused one. A discarded one is never bought, nothing "
        "of one with nothing is Microsoft's, a frozen one is being bought, and an ended one has "
        "its results.",
    ),
    "cancelled": ("Cancelled", "Whether the shop has cancelled the order."),
    "flags": ("Flags", "What a person has to see, such as resolved_differently."),
    "parts": ("Parts", "What is bought, one part for each customer."),
    "PartAnswer.customerId": ("Customer ID", "The tenant id of the customer."),
    "PartAnswer.cart": ("Cart", "The cart that is ordered."),
    "PartAnswer.result": ("Result", "What became of the part; null as long as it is not known."),
    "PartResultAnswer.status": (
        "Status",
        "It is unknown where nobody knows yet whether all of it was ordered.",
    ),
    "PartResultAnswer.cartId": ("Cart ID", "The cart at Partner Center; null without one."),
    "PartResultAnswer.orders": ("Orders", "The ids of the orders at Partner Center."),
    "subscriptions": ("Subscriptions", "The ids of the subscriptions."),
    "problem": ("Problem", "The error code of what went wrong; null where nothing did."),
    "storefrontOrderId": ("Order ID", "The id of an order of a storefront."),
    # Readiness and health
    "ReadyAnswer.status": ("Status", "It is ready where all links are ok."),
    "ReadyAnswer.links": ("Links", "The links of the chain, in its order."),
    "LinkAnswer.name": ("Name", "What the link is."),
    "LinkAnswer.status": (
        "Status",
        "It is not_reached where a link before it, which it needs, is not ok.",
    ),
    "milliseconds": ("Milliseconds", "How long it took; null if it was not reached."),
    "LinkAnswer.code": (
        "Code",
        "The error code that a request would be answered with; null where nothing is wrong.",
    ),
    "LinkAnswer.detail": (
        "Detail",
        "What to do about it, in the words that a request would get; null where nothing is wrong.",
    ),
    "HealthAnswer.status": ("Status", "Always ok: a function that does not run gives no answer."),
    "version": ("Version", "The version of the function."),
}
"""Title and description of every parameter, header, model and member.

`Model.member` is the text of a member in one model; it takes precedence over the text of `member`,
which is for all other models.
"""


def title_and_description(name: str, model: str = "") -> dict[str, str]:
    """The `title` and `description` of a parameter, header or model, or of a member of `model`.

    Raises KeyError where MEMBERS has no text for it.
    """
    title, description = MEMBERS.get(f"{model}.{name}") or MEMBERS[name]
    return {"title": title, "description": description}


STATUS_DESCRIPTIONS: Mapping[int, str] = {
    400: "The request is not valid.",
    401: "The function key or the token is missing or wrong. The platform answers this itself, "
    "mostly without a body. "
    "Do not send the request again before the key is right.",
    403: "This function or Partner Center forbids it.",
    404: "Partner Center cannot find the customer, the cart or a product in it. The platform "
    "itself answers 404 without a body to a wrong route or method, and at times while it starts.",
    409: "Partner Center reports a conflict, or the same was ordered just before.",
    411: "The body was sent without Content-Length, so it did not arrive.",
    412: "A precondition failed in Partner Center.",
    413: "The body is too large.",
    415: "The body is not JSON in UTF-8, or is encoded.",
    417: "An expectation failed in Partner Center.",
    422: "The request is valid, but cannot be carried out.",
    429: "Partner Center is throttling. The platform itself may answer 429 too, without a body, "
    "where too many requests come at once.",
    500: "The function has a defect. The platform itself may answer 500 too, without a body.",
    502: "Partner Center failed, or its answer was lost. The platform itself may answer 502 too.",
    503: "The function cannot serve the request now: its settings, a secret, a token or its store "
    "is not available, or another request is in progress. The platform itself may answer 503 too.",
    504: "Partner Center did not answer in time, or no time was left to send the request. The "
    "platform itself may answer 504 too.",
}

WEBHOOK_ANSWERS: Mapping[int, str] = {
    200: "The delivery is stored, or is one that is never bought.",
    401: "Nobody who may has signed it, or there is no such storefront.\n\n| answer | when |\n"
    "|---|---|\n| no body | always the same |",
    411: "The body did not arrive.\n\n| answer | when |\n|---|---|\n"
    "| no body | it was sent with Transfer-Encoding |",
    413: "The body is too large.\n\n| answer | when |\n|---|---|\n"
    "| no body | it has more than 1 MB |",
    503: "The delivery could not be stored. Send it again.\n\n| answer | when |\n|---|---|\n"
    "| no body | the store, the vault or the configuration fails |",
}
"""What a webhook is answered, which never has a body."""

CODE_DESCRIPTIONS: Mapping[Code, str] = {
    "invalid_json": "There is no body, or it is not UTF-8, not JSON, or nested too deeply.",
    "invalid_request": "The request has errors; the member errors lists them.",
    "length_required": "The body was sent with Transfer-Encoding, which the platform does not pass "
    "on. Send it with Content-Length.",
    "body_too_large": "The body has more bytes than CART_MAX_BODY_BYTES.",
    "invalid_idempotency_key": "The key is empty, too long, or not visible ASCII, or there are "
    "two.",
    "idempotency_key_required": "There is no key, and this operation or the function's "
    "settings require one.",
    "idempotency_key_reused": "The key was used for a different request.",
    "unsupported_media_type": "The Content-Type is not that of JSON, or its charset is not UTF-8.",
    "unsupported_content_encoding": "The body has a Content-Encoding.",
    "caller_unknown": "There is no token of Microsoft Entra ID, or it does not say who calls; only "
    "where callers sign in.",
    "role_missing": "The caller does not have the role that this operation needs; only where "
    "callers sign in.",
    "checkout_disabled": "The setting CART_ALLOW_CHECKOUT does not allow purchases.",
    "purchase_limit_exceeded": "The caller or the customer has as many purchases this hour as the "
    "settings allow, or the order has more than the allowed quantity.",
    "possible_duplicate": "The same was ordered for this customer minutes before under another "
    "key, and the setting CART_DUPLICATE_ORDERS refuses such orders.",
    "item_not_available": "A line names a SKU for which no availability can be taken, or another "
    "purchase took its place; errors and unavailableItems say why. Nothing was bought.",
    "preflight_failed": "The cart was looked at before it was made, and errors has what stands "
    "against it.",
    "cart_not_orderable": "Lines of the cart have errors; the member cart shows them.",
    "cart_differs": "The cart does not have the lines that were asked for; errors and cart show "
    "both.",
    "checkout_failed": "Partner Center made no order; the member orderErrors has its reasons.",
    "internal_error": "The function has a defect. The outcome is not_sent where nothing was sent.",
    "configuration_invalid": "Settings are missing or wrong; the member detail names them.",
    "store_unavailable": "The idempotency store cannot be reached, so nothing further was sent: "
    "nothing at all, or of an order nothing but its cart.",
    "operation_in_progress": "Another request with the same key or for the same cart is in "
    "progress.",
    "deadline_exceeded": "Too little time was left to send the request and get its answer.",
    "operation_not_found": "There is no such operation, the token is wrong, or the operation has "
    "ended so long ago that its answer is not kept any more.",
    "operation_dead": "The operation was given up, and waits for an operator.",
    "operation_discarded": "An operator has discarded the operation, and nothing came of it.",
    "operation_not_resting": "The operation has ended, or is being worked on.",
    "order_not_found": "There is no such order of a storefront.",
    "order_not_parked": "The order of the storefront does not wait for a person.",
    "order_cancelled": "The shop has cancelled the order before it was bought; only orders of "
    "storefronts end so.",
    "shop_unavailable": "The shop is asked just before its order is bought, and did not answer; "
    "only orders of storefronts are put off so.",
    "managed_identity_unavailable": "The endpoint of the managed identity gives no token.",
    "vault_unavailable": "Key Vault cannot be reached, or throttles.",
    "vault_denied": "The function's identity may not read the secret.",
    "secret_missing": "The secret does not exist, is disabled, or cannot be used.",
    "token_unavailable": "Microsoft Entra ID cannot be reached, or throttles.",
    "token_rejected": "Microsoft Entra ID refuses the credential of the app.",
    "consent_required": "A person has to sign in and consent again.",
    "partner_center_invalid_request": "Partner Center answered 400, or a code that says the same "
    "under a status that is no 4xx.",
    "partner_center_forbidden": "Partner Center answered 403, or 401 to this request alone.",
    "partner_center_not_found": "Partner Center answered 404.",
    "partner_center_conflict": "Partner Center answered 409.",
    "partner_center_precondition_failed": "Partner Center answered 412.",
    "partner_center_expectation_failed": "Partner Center answered 417.",
    "partner_center_throttled": "Partner Center answered 429; Retry-After says how long.",
    "partner_center_unauthorized": "Partner Center answered 401, also when asked once more.",
    "partner_center_unexpected": "Partner Center answered another 4xx status.",
    "partner_center_unreachable": "No connection to Partner Center could be made.",
    "partner_center_failed": "Partner Center answered a 5xx status.",
    "partner_center_no_answer": "The connection was lost after the request was sent, or Partner "
    "Center refused it after an earlier try that may have taken effect.",
    "partner_center_unreadable": "Partner Center answered a 2xx or 3xx status without the expected "
    "document.",
    "partner_center_busy": "Partner Center is processing another request for this cart, or an "
    "order of it.",
    "partner_center_not_ready": "Partner Center cannot do it yet; Retry-After says how long to "
    "wait.",
    "partner_center_timeout": "Partner Center did not answer in time, or answered 408.",
}
