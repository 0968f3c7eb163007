"""``upgrade --phase expand`` where two branches are pending."""

from tests.servers.run.shop import Shop


def added(shop: Shop, revision: str, down: str) -> None:
    shop.revision(
        revision,
        f'op.add_column("t", sa.Column("{revision}", sa.Integer))',
        f'op.drop_column("t", "{revision}")',
        down=down,
    )


def test_what_is_on_another_branch_than_the_contract_does_not_wait(shop: Shop) -> None:
    shop.flask("db", "upgrade")
    added(shop, "b1", "a2")
    added(shop, "c1", "a2")
    contract = shop.revision("c2", 'op.drop_column("t", "n")', down="c1")
    added(shop, "c3", "c2")
    shop.ask("INSERT INTO t (n) VALUES (7)")
    refused = shop.flask("db", "upgrade", "--phase", "expand", code=4)
    assert f"{contract.name} takes something away (drop t.n) and does not say so." in refused
    assert set(shop.at()) == {"a2"}
    contract.write_text(contract.read_text() + '\nphase = "contract"\n')
    said = shop.flask("db", "upgrade", "--phase", "expand")
    assert set(shop.at()) == {"b1", "c1"}
    assert "Applied 2 revisions: at b1, c1." in said
    assert said.count("Backed up to") == 1
    assert "waits  c2  the c2 revision (drop t.n)" in said
    assert "waits  c3  the c3 revision (behind it)" in said
    assert shop.ask("SELECT n FROM t") == [(7,)]
    assert "Nothing to do: at b1, c1." in shop.flask("db", "upgrade", "--phase", "expand")
