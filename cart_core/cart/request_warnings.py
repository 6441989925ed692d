"""What a caller should know about a cart that is accepted all the same."""

from collections.abc import Iterator

from cart_core.cart.member_names import RequestModel
from cart_core.cart.request_errors import CallerPointers, Location
from cart_core.cart.vocabulary import KNOWN_TERMS
from cart_core.problem import FieldError


def request_warnings(
    model: RequestModel, location: Location, pointers: CallerPointers
) -> Iterator[FieldError]:
    """The warnings about an object, which is at `location`, and about all that is in it.

    They are about members that Partner Center does not document, and about terms that it does not
    document (but catalogues may have).
    """
    for name in model.model_extra or ():
        yield FieldError(
            pointers.pointer((*location, name)),
            "unknown_member",
            "Sent on as it came: Partner Center documents no such member.",
        )
    for field_name, info in type(model).model_fields.items():
        value = getattr(model, field_name)
        if value is None:
            continue
        here = (*location, info.alias or field_name)
        if isinstance(value, RequestModel):
            yield from request_warnings(value, here, pointers)
        elif field_name == "term_duration" and value not in KNOWN_TERMS:
            yield FieldError(
                pointers.pointer(here),
                "unknown_term",
                f"Sent on; the documented terms are {', '.join(sorted(KNOWN_TERMS))}.",
            )
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from request_warnings(item, (*here, index), pointers)
