"""What the listener heard: moods of the last year, and the songs."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from django.contrib.auth.decorators import login_required
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from recommender import selectors
from recommender.mood_history import mood_history
from recommender.web import mood_charts
from recommender.web.forms import DayForm
from recommender.web.presentation import song_entries
from recommender.web.views.base import account, in_listener_zone, page_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

_TRAIL_WEEKS: Final = 12


@login_required
@never_cache
@require_safe
@in_listener_zone
def own_moods(request: HttpRequest) -> HttpResponse:
    history = mood_history(user=account(request), zone=timezone.get_current_timezone())
    hours = mood_charts.hour_bars(history.hours)
    context = {
        "history": history,
        "calendar": mood_charts.calendar(history),
        "words": mood_charts.year_in_words(history),
        "trails": [
            (gettext("Month by month"), "month", mood_charts.trail(history.months)),
            (gettext("Week by week"), "week", mood_charts.trail(history.weeks[-_TRAIL_WEEKS:])),
        ],
        "hours": hours,
        "hours_scale": mood_charts.hour_scale(hours),
        "hours_words": mood_charts.busiest_hours(hours),
        "zone": timezone.get_current_timezone_name(),
    }
    return render(request, "moods.html", context)


@login_required
@never_cache
@require_safe
@in_listener_zone
def own_history(request: HttpRequest) -> HttpResponse:
    listens = selectors.listen_list(request.user)
    form = DayForm(request.GET)
    day = form.cleaned_data["day"] if form.is_valid() else None
    if day:
        start = datetime.combine(day, time(), timezone.get_current_timezone())
        listens = listens.filter(listened_at__gte=start, listened_at__lt=start + timedelta(days=1))
    page = page_of(request, listens)
    held = list(page)
    entries = song_entries(
        (listen.song for listen in held), request.user, (f"listen-{one.pk}" for one in held)
    )
    rows = [{"listen": listen, "entry": entry} for listen, entry in zip(held, entries, strict=True)]
    context = {"page_obj": page, "rows": rows, "entries": entries, "day": day}
    return render(request, "history.html", context)
