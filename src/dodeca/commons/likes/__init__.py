"""Likes and marks: one a person and thing, in a table of the product's own, committed together with their counter.

Who likes what is asked for with every list, so each product keeps its own table with its own integer keys; what is
shared is the rule. A constraint of the table (primary key or unique, of person, thing and `**which`) decides between
two at once; repeating changes nothing."""

from dodeca.commons.likes.rules import Likes, like, miscounted, newest, since, unlike

__all__ = ["Likes", "like", "miscounted", "newest", "since", "unlike"]
