"""The rules of payments, a file a capability: functions on a Session that know nothing of HTTP."""
