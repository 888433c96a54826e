-- What a surrogate of an item is, so that who may see originals finds it in the item's text.
ALTER TABLE vault_items ADD COLUMN shown BLOB; -- kind and surrogate, sealed; none of what was kept before
