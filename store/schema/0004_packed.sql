-- Chunks may be of the kind packed (mox/chunk), which programs that know schema 3 cannot read. There is
-- nothing to change: that the version is another says it.
SELECT 1;
