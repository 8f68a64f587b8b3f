"""Captions of any form into one table: columns, uid, the rule for odd text, rejected rows."""
