"""The choice of the language of pages and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from django.contrib.auth.decorators import login_not_required
from django.shortcuts import redirect
from django.urls import Resolver404, resolve
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from recommender.throttles import throttled

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_ANSWERED_TO_POST: Final = {
    "token-create": "account",
    "invite": "people",
    "person-password": "people",
}
"""Addresses that show a page to a POST alone, each with the page of its form."""


@login_not_required
@throttled("")
@require_POST
def language(request: HttpRequest) -> HttpResponse:
    """Keep the choice in a cookie, and lead back to the page that sent it."""
    response: HttpResponse = set_language(request)
    form = _ANSWERED_TO_POST.get(_name_of(response.get("Location", "")))
    if form is None:
        return response
    answer = redirect(form)
    answer.cookies = response.cookies
    return answer


def _name_of(address: str) -> str:
    try:
        return resolve(urlsplit(address).path).url_name or ""
    except Resolver404:
        return ""
