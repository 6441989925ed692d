"""An app with one empty function, the yardstick for the time to import this repository's app."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("empty", methods=["POST"])
async def empty(req: func.HttpRequest) -> func.HttpResponse:
    """Answer 204 without a body."""
    return func.HttpResponse(status_code=204)
