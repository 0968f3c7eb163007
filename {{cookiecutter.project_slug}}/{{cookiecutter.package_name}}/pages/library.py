"""The books: a list, and a form that adds to it."""

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_wtf import FlaskForm
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload
from wtforms import IntegerField, SelectField, StringField
from wtforms.validators import DataRequired, Length, NumberRange, Optional

from ..extensions import db
from ..models.library import Author, Book, Status

blueprint = Blueprint("library", __name__, template_folder="templates")


class BookForm(FlaskForm):
    """One book to add."""

    title = StringField("Title", [DataRequired(), Length(max=200)])
    author = StringField("Author", [DataRequired(), Length(max=100)])
    year = IntegerField("Year", [Optional(), NumberRange(min=1, max=9999)])
    status = SelectField("Status", choices=[status.value for status in Status])


@blueprint.route("/books", methods=["GET", "POST"])
def books() -> ResponseReturnValue:
    """List the books, and add the one that was sent."""
    form = BookForm()
    if form.validate_on_submit():
        try:
            db.session.add(_book(form))
            db.session.commit()
        except IntegrityError:
            db.session.rollback()
            flash(f"{form.author.data} already has a book called {form.title.data}.")
        else:
            return redirect(url_for("library.books"))
    query = select(Book).options(joinedload(Book.author)).order_by(Book.title)
    status_code = 400 if form.is_submitted() else 200
    return render_template("library.html", form=form, books=db.session.scalars(query)), status_code


def _book(form: BookForm) -> Book:
    name = form.author.data
    author = db.session.scalar(select(Author).filter_by(name=name)) or Author(name=name)
    return Book(
        author=author,
        title=form.title.data,
        year=form.year.data,
        status=Status(form.status.data),
    )
