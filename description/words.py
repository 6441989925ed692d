"""The texts of the description: titles and descriptions for people who read the API."""

from collections.abc import Mapping

API_TITLE = "Partner Center Carts"
API_DESCRIPTION = """\
Microsoft Partner Center's carts behind one HTTP call: validated, sent once, answered in one
normalised form. Errors have one shape, as `application/json`, or as `application/problem+json`
where `Accept` names it. Answers to a wrong route or method, or to more requests at once than the
platform takes, are the platform's own."""

MEMBERS: Mapping[str, tuple[str, str]] = {
    # Parameters and headers of requests
    "customerId": ("Customer ID", "The customer's Microsoft tenant id, a GUID in any case."),
    "cartId": ("Cart ID", "The cart's id, a GUID in any case."),
    "Idempotency-Key": (
        "Idempotency Key",
        "A key of the order's own, 1 to 255 visible ASCII characters, bare or in quotes. However "
        "often a request is sent with it, it takes effect once; an earlier answer comes back.",
    ),
    "webhook-id": (
        "Webhook ID",
        "Taken as the idempotency key where there is no Idempotency-Key.",
    ),
    "MS-CorrelationId": (
        "Correlation ID",
        "A GUID that identifies the call in the logs of everyone concerned. A caller's own is "
        "passed on and comes back; without one, that of Logic Apps in x-ms-client-tracking-id "
        "is, and else a new one.",
    ),
    "X-Locale": (
        "Locale",
        "The language of Partner Center's messages, such as en-US. Anything else than a language "
        "tag is ignored.",
    ),
    "x-ms-customeruser-upn": (
        "Customer User",
        "The customer's user who gets the licences, as user@domain with at most 256 visible ASCII "
        "characters.",
    ),
    # Headers of answers
    "Location": ("Location", "The path of the new cart in this API."),
    "MS-RequestId": (
        "Request ID",
        "The id under which Partner Center got the request. Quote it to Microsoft's support.",
    ),
    "MS-CV": (
        "Correlation Vector",
        "Partner Center's own trace of the request, where it sent one.",
    ),
    "MS-ServerId": (
        "Server ID",
        "Which of Partner Center's servers answered, where it said so.",
    ),
    "Idempotent-Replayed": (
        "Idempotent Replayed",
        "Present, and true, where the answer is that of an earlier request with the same key.",
    ),
    "Retry-After": (
        "Retry After",
        "After how many whole seconds the same request is worth repeating.",
    ),
    # Models
    "Cart": (
        "Cart to Order",
        "What shall be in the cart. Member names match in any case. Members of an answer may be "
        "present, as in a pasted cart, and are not sent on. Members that nobody documents are sent "
        "on with a warning, or refused where the function is set so, as it is for orders; "
        "near misses of documented names are always refused.",
    ),
    "LineItem": ("Line Item to Order", "One product to buy."),
    "Participant": ("Participant to Order", "One participant in the purchase; keys may repeat."),
    "RenewsTo": ("Renewal to Order", "What a trial turns into when it ends."),
    "PurchaseCommitment": (
        "Purchase Commitment to Order",
        "The commitment of an Azure savings plan.",
    ),
    "CartAnswer": (
        "Cart",
        "A cart as Partner Center has it, with every member present. Members that Partner Center "
        "adds later are kept under their own names, here and in everything below.",
    ),
    "LineItemAnswer": ("Line Item", "One product in the cart."),
    "ParticipantAnswer": ("Participant", "One participant in the purchase."),
    "RenewsToAnswer": ("Renewal", "What a trial turns into when it ends."),
    "LineErrorAnswer": ("Line Error", "Why Partner Center does not sell a line as it is."),
    "LinksAnswer": ("Links", "Where the cart is in this API."),
    "CheckoutAnswer": (
        "Checkout",
        "What was bought, with every member present. Members that Partner Center adds later are "
        "kept under their own names, here and in everything below.",
    ),
    "OrderAnswer": ("Order", "One order that Partner Center made of the cart."),
    "OrderLineAnswer": ("Order Line", "One product that was bought."),
    "OrderErrorAnswer": ("Order Error", "Why one order group of the cart was not ordered."),
    "ProblemAnswer": ("Problem", "What went wrong: RFC 9457's members and this API's own."),
    "FieldError": ("Remark", "One thing that is wrong with a request, or worth knowing of it."),
    "Fault": ("Partner Center Fault", "A failure in Partner Center's own words."),
    "Outcome": (
        "Outcome",
        "What is known of the effect that the request should have had: not_sent (Partner Center "
        "never received it), rejected (it had none), unknown (it may have had it).",
    ),
    "HealthAnswer": ("Health", "That the function runs, and which version of it."),
    # Carts and their lines
    "id": ("ID", "The id that Partner Center gave it."),
    "LineItem.id": (
        "Line ID",
        "A whole number from 0 or its decimal text, unique among lines and add-ons. Missing ones "
        "are assigned from the lowest unused number on.",
    ),
    "LineItemAnswer.id": ("Line ID", "The line's number, unique among lines and add-ons."),
    "OrderAnswer.id": ("Order ID", "The order's id, which may be a GUID or not."),
    "status": ("Status", "The cart's status, Active or Ordered."),
    "creationTimestamp": ("Created", "When the cart was created, in UTC."),
    "lastModifiedTimestamp": ("Last Modified", "When the cart was changed last, in UTC."),
    "expirationTimestamp": ("Expires", "When the cart lapses unless it is ordered, in UTC."),
    "lastModifiedUser": ("Last Modified By", "The id of the user or app that changed it last."),
    "partnerOnRecordAttestationAccepted": (
        "Partner on Record Attestation Accepted",
        "Whether an indirect provider attests the partner on record, where that is demanded.",
    ),
    "orderable": (
        "Orderable",
        "False where any line, at any depth, has an error: such a cart cannot be checked out.",
    ),
    "lineItems": ("Line Items", "The products, one line for each."),
    "links": ("Links", "Where the cart is in this API."),
    "self": ("Self", "The cart's own path."),
    "warnings": ("Warnings", "What is worth knowing although the request succeeded."),
    "catalogItemId": (
        "Catalog Item ID",
        "Product, SKU and availability as ProductId:SkuId:AvailabilityId; fetch it shortly before "
        "use. In a request it may be called catalogId as well.",
    ),
    "friendlyName": ("Friendly Name", "A name of the partner's own for what is bought."),
    "quantity": ("Quantity", "How many licences or instances, a whole number from 1."),
    "currencyCode": ("Currency", "The currency as three letters, such as USD."),
    "billingCycle": (
        "Billing Cycle",
        "How often it is billed. In a request any spelling will do, such as OneTime for one_time.",
    ),
    "termDuration": (
        "Term",
        "The term as an ISO 8601 duration, such as P1M, P1Y or P3Y.",
    ),
    "participants": (
        "Participants",
        "The other partners in the purchase. In a request an object is short for the list, such as "
        '{"transaction_reseller": "5139005"}.',
    ),
    "key": ("Role", "The participant's role, such as transaction_reseller."),
    "value": ("Partner ID", "The participant's PartnerID."),
    "provisioningContext": (
        "Provisioning Context",
        "What the product needs to be provisioned, texts by name, such as scope.",
    ),
    "orderGroup": ("Order Group", "Lines with the same order group go into one order."),
    "addonItems": ("Add-On Items", "Line items that belong to this one, to any depth."),
    "renewsTo": (
        "Renews To",
        "What a trial turns into when it ends. In a request an array with one entry is taken too.",
    ),
    "promotionId": ("Promotion ID", "The promotion that applies."),
    "customTermEndDate": (
        "Custom Term End Date",
        "When the first term ends, to align it with other subscriptions; no zone means UTC.",
    ),
    "attestationAccepted": (
        "Attestation Accepted",
        "Whether the customer accepted the attestation that the product demands.",
    ),
    "pricing": ("Pricing", "The prices before tax, where Partner Center states them."),
    "purchaseCommitment": (
        "Purchase Commitment",
        "What an Azure savings plan commits the customer to.",
    ),
    "amount": ("Amount", "How much is committed to for each grain, more than 0."),
    "currency": ("Currency", "The currency of the amount, such as usd."),
    "grain": ("Grain", "The time that the amount is for, such as hourly."),
    "purchaseSystem": ("Purchase System", "Known from Microsoft's SDK only."),
    "error": ("Error", "Why Partner Center does not sell this line as it is; null where it does."),
    "LineErrorAnswer.code": ("Code", "The error's number, such as 10001."),
    "name": ("Name", "The error's name in Microsoft's SDK; null for a code it does not know."),
    "description": ("Description", "Partner Center's own words."),
    "additionalInformation": (
        "Additional Information",
        "What Partner Center adds, such as availableQuantity.",
    ),
    # Checkouts and orders
    "CheckoutAnswer.status": (
        "Status",
        "How far it came: completed (all is ordered), partial (some order groups failed, the same "
        "request tries them again), or ordered (the cart was ordered before, and into what is not "
        "known here).",
    ),
    "orders": ("Orders", "The orders that Partner Center made of the cart."),
    "orderErrors": ("Order Errors", "The order groups of the cart that were not ordered."),
    "alternateId": ("Alternate ID", "Another id of the order."),
    "referenceCustomerId": ("Reference Customer ID", "The customer whom the order is for."),
    "OrderAnswer.status": ("Status", "The order's status, such as completed or pending."),
    "transactionType": ("Transaction Type", "What kind of purchase it is, such as UserPurchase."),
    "currencySymbol": ("Currency Symbol", "The currency's symbol, such as $."),
    "creationDate": ("Created", "When the order was made, in UTC."),
    "totalPrice": ("Total Price", "The order's price before tax."),
    "OrderAnswer.lineItems": ("Line Items", "The products that were bought, one line for each."),
    "lineItemNumber": ("Line Number", "The number of the line in the order."),
    "offerId": ("Offer ID", "The catalog item that was bought."),
    "subscriptionId": (
        "Subscription ID",
        "The subscription that came of it; null until it is provisioned.",
    ),
    "parentSubscriptionId": ("Parent Subscription ID", "The subscription that an add-on is for."),
    "partnerIdOnRecord": ("Partner on Record ID", "The PartnerID of the reseller on record."),
    "additionalPartnerIdsOnRecord": (
        "Additional Partner on Record IDs",
        "The PartnerIDs of further resellers.",
    ),
    "orderGroupId": ("Order Group ID", "The order group that failed, as in the lines' orderGroup."),
    "code": ("Code", "A code for programs; it does not change with the language."),
    # Problems and remarks
    "type": ("Type", "The code as a URN."),
    "title": ("Title", "What the code stands for, in a few words."),
    "ProblemAnswer.status": ("Status", "The HTTP status."),
    "FieldError.code": (
        "Code",
        "What kind of remark it is, such as required or unknown_member; see docs/contract.md.",
    ),
    "detail": ("Detail", "What happened this time, for people."),
    "instance": ("Instance", "The correlation id as a URN."),
    "errors": (
        "Errors",
        "Everything that is wrong with the request, the first 100; detail has the total.",
    ),
    "requestId": ("Request ID", "The MS-RequestId; null where nothing was sent."),
    "correlationId": ("Correlation ID", "The MS-CorrelationId."),
    "retryable": (
        "Retryable",
        "Whether the same request may succeed later; always true where the outcome is unknown.",
    ),
    "outcome": ("Outcome", "What is known of the effect that the request should have had."),
    "partnerCenter": (
        "Partner Center",
        "Partner Center's own words; null where it did not answer with an error.",
    ),
    "cart": ("Cart", "The cart that cannot be ordered, with the errors of its lines; else null."),
    "ProblemAnswer.orderErrors": ("Order Errors", "Why nothing was ordered; else empty."),
    "pointer": (
        "Pointer",
        "A JSON Pointer into the request in its own spelling; empty for the request as a whole.",
    ),
    "Fault.status": ("Status", "The HTTP status of Partner Center's answer."),
    "source": ("Source", "Which part of Partner Center failed."),
    "data": ("Data", "Further details of Partner Center's."),
    # Health
    "HealthAnswer.status": ("Status", "Always ok: without an answer it is not."),
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
    400: "Something in the request is wrong.",
    401: "The function key is missing or wrong. The platform answers this, without a body.",
    403: "It is forbidden, here or by Partner Center.",
    404: "Partner Center cannot find the customer, the cart or a product in it.",
    409: "Partner Center reports a conflict.",
    412: "A precondition failed in Partner Center.",
    413: "The body is too large.",
    415: "The body is not JSON, or not as it must be sent.",
    417: "An expectation failed in Partner Center.",
    422: "The request is understood, and nothing comes of it.",
    429: "Partner Center is throttling. The platform itself may answer 429 too, in its own words.",
    500: "A defect of the function.",
    502: "Partner Center failed, or its answer was lost. The platform itself may answer 502 too.",
    503: "Something that is needed is not there. The platform itself may answer 503 too.",
    504: "There was no answer in time, or no time left to ask.",
}

CODE_DESCRIPTIONS: Mapping[str, str] = {
    "invalid_json": "There is no body, or it is not UTF-8, not JSON, or nested too deep.",
    "invalid_request": "Something in the request is wrong; errors says what.",
    "body_too_large": "The body has more bytes than CART_MAX_BODY_BYTES.",
    "invalid_idempotency_key": "The key is empty, too long, or not visible ASCII.",
    "idempotency_key_required": "There is no key, and this operation or the function needs one.",
    "idempotency_key_reused": "The key belongs to a different request.",
    "unsupported_media_type": "The body is not JSON, or not UTF-8 by its charset.",
    "unsupported_content_encoding": "The body has a Content-Encoding.",
    "checkout_disabled": "CART_ALLOW_CHECKOUT does not allow to buy.",
    "cart_not_orderable": "Lines of the cart have an error; cart says which.",
    "checkout_failed": "Partner Center ordered nothing of the cart; orderErrors says why.",
    "internal_error": "A defect; the outcome is not_sent if nothing had been sent.",
    "configuration_invalid": "Settings are missing or wrong; detail names them.",
    "store_unavailable": "The idempotency store cannot be reached, so nothing more was sent.",
    "operation_in_progress": "Another request for the same operation is being worked on.",
    "deadline_exceeded": "No time was left to send it.",
    "managed_identity_unavailable": "The identity endpoint gives no token.",
    "vault_unavailable": "Key Vault cannot be reached, or throttles.",
    "vault_denied": "The identity may not read the secret.",
    "secret_missing": "The secret does not exist, is disabled or unusable.",
    "token_unavailable": "Microsoft Entra ID cannot be reached, or throttles.",
    "token_rejected": "Microsoft Entra ID refuses the app's credential.",
    "consent_required": "A person has to sign in and consent again.",
    "partner_center_invalid_request": "Partner Center answered 400.",
    "partner_center_forbidden": "Partner Center answered 403.",
    "partner_center_not_found": "Partner Center answered 404.",
    "partner_center_conflict": "Partner Center answered 409.",
    "partner_center_precondition_failed": "Partner Center answered 412.",
    "partner_center_expectation_failed": "Partner Center answered 417.",
    "partner_center_throttled": "Partner Center answered 429; Retry-After says how long.",
    "partner_center_unauthorized": "Partner Center answered 401, also to a renewed token.",
    "partner_center_unexpected": "Partner Center answered with another 4xx.",
    "partner_center_unreachable": "No connection could be made.",
    "partner_center_failed": "Partner Center answered with a 5xx.",
    "partner_center_no_answer": "The connection was lost after the request was sent, or a refusal "
    "came after a try that may have had its effect.",
    "partner_center_unreadable": "A 2xx or 3xx came that is not what was asked for.",
    "partner_center_busy": "Another request is processing this cart.",
    "partner_center_timeout": "There was no answer in time, or Partner Center answered 408.",
}
