-- What the platform's bundles brought last. The version is also the floor: nothing older is ever installed again.
CREATE TABLE bundle (
    name     TEXT    PRIMARY KEY,
    version  INTEGER NOT NULL,
    manifest BLOB    NOT NULL                      -- as it was signed; the content lies beside the database
) STRICT, WITHOUT ROWID;
