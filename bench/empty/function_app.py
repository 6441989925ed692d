"""The least that a function app can be: what importing ours is compared with."""

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("empty", methods=["POST"])
async def empty(req: func.HttpRequest) -> func.HttpResponse:
    """Answer nothing."""
    return func.HttpResponse(status_code=204)
