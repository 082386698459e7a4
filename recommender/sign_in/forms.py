"""The forms that take a code."""

from __future__ import annotations

from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm

from recommender.sign_in.mfa import compared


class CodeForm(AuthenticateForm):  # type: ignore[misc]  # allauth has no types
    """Asked after the password."""

    def clean_code(self) -> str:
        with compared():
            code: str = super().clean_code()
        return code


class CodeAgainForm(ReauthenticateForm):  # type: ignore[misc]  # allauth has no types
    """Asked again before what protects the account is changed."""

    def clean_code(self) -> str:
        with compared():
            code: str = super().clean_code()
        return code
