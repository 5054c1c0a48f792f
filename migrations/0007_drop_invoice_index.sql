-- An index that every line of an invoiced sale had to be put into, a tenth of what a first load costs the server. What is
-- asked of an invoice is asked of many at once, and of the months around their dates, which the index by time finds.
DROP INDEX IF EXISTS fuel.transaction_invoice;
