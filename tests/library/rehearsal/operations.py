"""Operations that break rows, and their ways back; ``# here`` is where they do."""

DELETE = """op.execute("DELETE FROM author WHERE name = ''")  # here"""
ROUND = """with op.batch_alter_table("book") as batch_op:
    batch_op.alter_column("price", existing_type=sa.Numeric(8, 2), type_=sa.Integer())  # here"""
NOT_NULL = """with op.batch_alter_table("book") as batch_op:
    batch_op.alter_column("title", existing_type=sa.String(40), nullable=False)  # here"""
NULL = NOT_NULL.replace("False", "True").replace("# here", "")
UNIQUE = """with op.batch_alter_table("book") as batch_op:
    batch_op.create_unique_constraint("uq_title", ["title"])  # here"""
NOT_UNIQUE = """with op.batch_alter_table("book") as batch_op:
    batch_op.drop_constraint("uq_title", type_="unique")"""
KEY = """with op.batch_alter_table("book") as batch_op:
    batch_op.create_foreign_key("fk_editor", "author", ["editor_id"], ["id"])  # here"""
NO_KEY = """with op.batch_alter_table("book") as batch_op:
    batch_op.drop_constraint("fk_editor", type_="foreignkey")
if op.get_context().dialect.name in ("mysql", "mariadb"):
    op.drop_index("fk_editor", "book")  # it made one for the key"""
CHECK = """with op.batch_alter_table("book") as batch_op:
    batch_op.create_check_constraint("ck_long", "length(title) > 5")  # here"""
NO_CHECK = """with op.batch_alter_table("book") as batch_op:
    batch_op.drop_constraint("ck_long", type_="check")"""
NARROW = """with op.batch_alter_table("book") as batch_op:
    batch_op.alter_column("title", existing_type=sa.String(40), type_=sa.String(3))  # here"""
WIDEN = NARROW.replace("(40)", "(0)").replace("(3)", "(40)").replace("(0)", "(3)")
NUMBER = """with op.batch_alter_table("book") as batch_op:
    new = {"type_": sa.Integer(), "postgresql_using": "title::integer"}
    batch_op.alter_column("title", existing_type=sa.String(40), **new)  # here"""
TEXT = """with op.batch_alter_table("book") as batch_op:
    batch_op.alter_column("title", existing_type=sa.Integer(), type_=sa.String(40))"""
INITIALS = """bind = op.get_bind()
for row in bind.execute(sa.text("SELECT id, name FROM author WHERE name IS NOT NULL")).all():
    initial = row.name[0]  # here
    change = sa.text("UPDATE author SET name = :n WHERE id = :i")
    bind.execute(change, {"n": initial, "i": row.id})"""
ADD = """with op.batch_alter_table("book") as batch_op:
    batch_op.add_column(sa.Column("isbn", sa.String(20)))"""
REMOVE = """with op.batch_alter_table("book") as batch_op:
    batch_op.drop_column("isbn")"""
INSERT = """author = sa.table("author", sa.column("id"), sa.column("name"))
op.bulk_insert(author, [{"id": 1000, "name": "nobody"}])  # here"""
