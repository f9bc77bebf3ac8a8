"""Following: who wants to hear of whom or what, for every product."""

from dodeca.commons.following.models import Follow
from dodeca.commons.following.service import follow, followed, followers, mutual, unfollow

__all__ = ["Follow", "follow", "followed", "followers", "mutual", "unfollow"]
