"""Authors and their books."""

from enum import StrEnum

from sqlalchemy import CheckConstraint, Enum, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ..extensions import db


class Status(StrEnum):
    """How far the reading has come."""

    WANTED = "wanted"
    READING = "reading"
    READ = "read"


class Author(db.Model):
    """Somebody who writes."""

    __tablename__ = "author"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)

    books: Mapped[list["Book"]] = relationship(back_populates="author")


class Book(db.Model):
    """Something an author wrote, once under each title."""

    __tablename__ = "book"
    __table_args__ = (
        UniqueConstraint("author_id", "title"),
        CheckConstraint("year > 0", name="year_is_positive"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("author.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(String(200))
    year: Mapped[int | None]
    # Kept as text with a CHECK: the same on every database, and a new value is one migration.
    status: Mapped[Status] = mapped_column(
        Enum(
            Status,
            native_enum=False,
            create_constraint=True,
            length=20,
            values_callable=lambda statuses: [status.value for status in statuses],
        ),
        default=Status.WANTED,
    )

    author: Mapped[Author] = relationship(back_populates="books")
