"""The page where a user enters a device code, and the calls that tests make instead."""

import html

from aiohttp import web

from local.entra.errors import EntraError
from local.entra.grants import TokenGrants
from local.entra.sessions import DeviceLogin

SIGN_IN_PATH = "/local/devicecode"

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in</title>
<h1>Sign in to the local tenant</h1>
<form method="post"><p><label>Code <input name="code" value="{code}" required autofocus></label>
<p><label>User <select name="user">{users}</select></label>
<p><button>Sign in and consent</button></form></html>
"""


def sign_in_routes(grants: TokenGrants) -> list[web.RouteDef]:
    """The page and, for tests, `POST {page}/{user_code}/approve?user=` and `…/decline`."""

    async def show(request: web.Request) -> web.Response:
        users = "".join(f"<option>{html.escape(user.upn)}" for user in grants.directory.users())
        code = html.escape(request.query.get("code", ""), quote=True)
        return web.Response(
            text=_PAGE.format(code=code, users=users),
            content_type="text/html",
            headers={"Content-Security-Policy": "default-src 'none'; form-action 'self'"},
        )

    async def submit(request: web.Request) -> web.Response:
        form = await request.post()
        login = _find(grants, str(form.get("code", "")))
        _approve(grants, login, str(form.get("user", "")))
        return web.Response(text=f"Signed in as {login.upn}. This page can be closed.")

    async def approve(request: web.Request) -> web.Response:
        login = _find(grants, request.match_info["user_code"])
        _approve(grants, login, request.query.get("user", ""))
        return web.json_response({"state": login.state, "user": login.upn})

    async def decline(request: web.Request) -> web.Response:
        login = _find(grants, request.match_info["user_code"])
        login.state = "declined"
        return web.json_response({"state": login.state, "user": None})

    return [
        web.get(SIGN_IN_PATH, show),
        web.post(SIGN_IN_PATH, submit),
        web.post(f"{SIGN_IN_PATH}/{{user_code}}/approve", approve),
        web.post(f"{SIGN_IN_PATH}/{{user_code}}/decline", decline),
    ]


def _find(grants: TokenGrants, user_code: str) -> DeviceLogin:
    login = grants.device_logins.find(user_code)
    if login is None:
        raise web.HTTPNotFound(text="No sign-in waits for this code: start it again.")
    return login


def _approve(grants: TokenGrants, login: DeviceLogin, upn: str) -> None:
    try:
        grants.approve(login, upn)
    except EntraError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
