"""A table as it is: columns of every kind go through make_tabular_pipeline."""

import datetime
import decimal
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import sklearn
from estimators import default_mlp as mlp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from skscratch import PiecewiseLinearEncoder, ScratchMLPClassifier, make_tabular_pipeline

N = 120
RNG = np.random.default_rng(0)
NUMBERS = RNG.normal(size=N).round(3)
SIZES = RNG.choice(["small", "medium", "large"], size=N)
Y = np.where(NUMBERS + (SIZES == "large") > 0.5, "yes", "no")
ABSENT = np.arange(N) % 10 == 3  # rows that miss a value


def but(values, absent):
    """Return the values as Python objects, with ``absent`` in place of a tenth of them."""
    return [
        absent if gone else value for gone, value in zip(ABSENT, np.asarray(values).tolist(), strict=True)
    ]


def pandas_columns():
    """Return {name: column}, in pandas' types, and which of them are categories."""
    flags, counts = NUMBERS > 0, RNG.integers(0, 99, N)
    numbers = {
        "float": NUMBERS,
        "float32": NUMBERS.astype(np.float32),
        "float, NaN": np.where(ABSENT, np.nan, NUMBERS),
        "float, inf": np.where(ABSENT, np.inf, NUMBERS),
        "int": counts,
        "Int64": pd.array(but(counts, pd.NA), dtype="Int64"),
        "Float64": pd.array(but(NUMBERS, pd.NA), dtype="Float64"),
        "bool": flags,
        "boolean": pd.array(but(flags, pd.NA), dtype="boolean"),
        "sparse": pd.arrays.SparseArray(np.maximum(NUMBERS, 0)),
        "bool object": pd.Series(but(flags, None), dtype=object),
        "number object, None": pd.Series(but(NUMBERS, None), dtype=object),
        "number object, NA": pd.Series(but(NUMBERS, pd.NA), dtype=object),
        "decimal": [decimal.Decimal(str(number)) for number in NUMBERS.tolist()],
        "constant": 1.5,
        "all NaN": np.nan,
    }
    categories = {
        "str": SIZES,
        "str object, None": pd.Series(but(SIZES, None), dtype=object),
        "str object, NaN": pd.Series(but(SIZES, np.nan), dtype=object),
        "str object, NA": pd.Series(but(SIZES, pd.NA), dtype=object),
        "string": pd.array(but(SIZES, pd.NA), dtype="string"),
        "category": pd.Categorical(but(SIZES, None)),
        "category of int": pd.Categorical(but(counts % 3, None)),
        "category of bool": pd.Categorical(flags),
        "mixed": pd.Series([*[1, "x", True, 2.5] * (N // 4)], dtype=object),
        "all None": [None] * N,
    }
    return numbers, categories


def polars_columns():
    flags, counts = NUMBERS > 0, RNG.integers(0, 99, N)
    numbers = {
        "float": NUMBERS,
        "float32": NUMBERS.astype(np.float32),
        "float, null": but(NUMBERS, None),
        "float, NaN": but(NUMBERS, np.nan),
        "int, null": but(counts, None),
        "unsigned": counts.astype(np.uint8),
        "bool": flags,
        "bool, null": but(flags, None),
        "decimal": [decimal.Decimal(str(number)) for number in NUMBERS.tolist()],
    }
    categories = {
        "str": SIZES,
        "str, null": but(SIZES, None),
        "categorical": pl.Series(but(SIZES, None), dtype=pl.Categorical),
        "enum": pl.Series(but(SIZES, None), dtype=pl.Enum(["small", "medium", "large"])),
        "all null": [None] * N,
    }
    return numbers, categories


FRAMES = {"pandas": (pd.DataFrame, pandas_columns), "polars": (pl.DataFrame, polars_columns)}
each_library = pytest.mark.parametrize("library", FRAMES)


def make_frame(library):
    make, columns = FRAMES[library]
    numbers, categories = columns()
    return make(numbers | categories), list(numbers), list(categories)


def small_frame(n=N):
    return pd.DataFrame({"number": NUMBERS, "size": SIZES})[:n]


def prepared(X, **params):
    """Return what the columns of X become, as a frame with their names."""
    columns = make_tabular_pipeline(**params)[:-1].fit(X)
    return pd.DataFrame(columns.transform(X), columns=columns.get_feature_names_out())


# Columns of every kind


@each_library
def test_columns_are_told_apart_by_their_kind(library):
    frame, numbers, categories = make_frame(library)
    columns = make_tabular_pipeline()[:-1].fit(frame)[0]
    names = np.array(frame.columns)
    for (_, _, chosen), expected in zip(columns.transformers_, [numbers, categories], strict=True):
        assert [name if isinstance(name, str) else names[name] for name in chosen] == expected


@each_library
def test_every_column_becomes_finite_numbers(library):
    frame, _, _ = make_frame(library)
    model = make_tabular_pipeline(mlp()).fit(frame, Y)
    X = model[:-1].transform(frame)
    assert X.dtype == np.float32
    assert np.isfinite(X).all()
    assert X.shape == (N, len(model[:-1].get_feature_names_out()))
    assert model.score(frame, Y) > 0.9


def test_pyarrow_columns_are_told_apart_by_their_kind():
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    values = {
        pa.float64(): NUMBERS,
        pa.int8(): np.arange(N) % 7,
        pa.bool_(): NUMBERS > 0,
        pa.string(): SIZES,
        pa.large_string(): SIZES,
        pa.dictionary(pa.int32(), pa.string()): SIZES,
    }
    frame = pd.DataFrame({str(t): pd.Series(but(v, None), dtype=pd.ArrowDtype(t)) for t, v in values.items()})
    columns = make_tabular_pipeline()[:-1].fit(frame)[0]
    names = list(frame.columns)
    assert [chosen for _, _, chosen in columns.transformers_] == [names[:3], names[3:]]
    assert np.isfinite(columns.transform(frame)).all()


@each_library
def test_equal_tables_give_equal_columns_in_whichever_type(library):
    make = FRAMES[library][0]
    frame = make({"number": but(NUMBERS, None), "size": but(SIZES, None)})
    plain = pd.DataFrame({"number": np.where(ABSENT, np.nan, NUMBERS), "size": but(SIZES, None)})
    assert_array_equal(make_tabular_pipeline()[:-1].fit_transform(frame), prepared(plain))


def test_arrays_and_lists_are_tables_too():
    frame = small_frame()
    expected = prepared(frame)
    for X in (frame.to_numpy(), frame.to_numpy().tolist(), frame.set_axis([10, 20], axis=1)):
        assert_array_equal(make_tabular_pipeline()[:-1].fit_transform(X), expected)
    numbers = NUMBERS.reshape(-1, 2)
    encoded = make_tabular_pipeline()[:-1].fit_transform(numbers)
    assert_array_equal(encoded, PiecewiseLinearEncoder().fit_transform(numbers))
    strings = SIZES.reshape(-1, 2)
    assert make_tabular_pipeline()[:-1].fit_transform(strings).shape == (N // 2, 6)


def test_names_of_the_columns_come_out():
    frame = pd.DataFrame({"flag": but(NUMBERS > 0, None), "size": but(SIZES, None)})
    expected = ["numbers__flag", "numbers__flag_missing"]
    expected += [f"categories__size_{size}" for size in ("large", "medium", "missing", "small")]
    assert prepared(frame).columns.tolist() == expected
    model = make_tabular_pipeline(mlp()).set_output(transform="pandas").fit(frame, Y)
    assert model[-1].feature_names_in_.tolist() == expected


# At prediction


def test_rare_and_new_categories_share_a_column():
    towns = pd.DataFrame({"town": ["Bonn"] * 6 + ["Kiel"] * 3 + ["Rome", "Oslo"]})
    columns = make_tabular_pipeline(min_frequency=3)[:-1].fit(towns)
    assert columns.get_feature_names_out().tolist() == [
        f"categories__town_{town}" for town in ("Bonn", "Kiel", "infrequent_sklearn")
    ]
    new = pd.DataFrame({"town": ["Kiel", "Oslo", "Paris", None]})
    assert_array_equal(columns.transform(new), np.eye(3)[[1, 2, 2, 2]])


def test_a_new_category_is_no_category_where_none_is_rare():
    columns = make_tabular_pipeline()[:-1].fit(small_frame())
    new = pd.DataFrame({"number": [0.0] * 2, "size": ["huge", "small"]})
    assert_array_equal(columns.transform(new)[:, -3:], [[0, 0, 0], [0, 0, 1]])


def test_a_category_keeps_its_name_where_a_missing_value_made_it_a_float():
    whole = pd.DataFrame({"code": pd.Categorical([1, 2, 3] * 4)})
    with_missing = pd.DataFrame({"code": pd.Categorical([1.0, 3.0, np.nan])})
    columns = make_tabular_pipeline()[:-1].fit(whole)
    assert_array_equal(columns.transform(with_missing), [[1, 0, 0], [0, 0, 1], [0, 0, 0]])


def test_at_most_a_hundred_columns_come_from_one():
    codes = pd.DataFrame({"code": pd.Categorical(np.arange(1000) % 400)})
    assert prepared(codes).shape == (1000, 100)


def test_columns_are_found_by_name():
    frame = small_frame()
    model = make_tabular_pipeline(mlp()).fit(frame, Y)
    other = frame[["size", "number"]].assign(more=1)
    assert_array_equal(model.predict_proba(other), model.predict_proba(frame))
    with pytest.raises(ValueError, match="columns are missing: {'size'}"):
        model.predict(frame[["number"]])


def test_numbers_beyond_the_training_range_and_missing_ones_are_predicted():
    model = make_tabular_pipeline(mlp()).fit(small_frame(), Y)
    odd = pd.DataFrame({"number": [np.nan, np.inf, -np.inf, 1e300], "size": [None, "new", "small", ""]})
    assert np.isfinite(model.predict_log_proba(odd)).all()
    largest = odd.assign(number=NUMBERS.max())
    assert_array_equal(model.predict_proba(odd)[[1, 3]], model.predict_proba(largest)[[1, 3]])


# What is refused

UNFIT = {
    "dates": (pd.date_range("2020", periods=N), "dtype datetime64"),
    "dates with a zone": (pd.date_range("2020", periods=N, tz="UTC"), "dtype datetime64"),
    "durations": (pd.to_timedelta(np.arange(N), unit="s"), "dtype timedelta64"),
    "periods": (pd.period_range("2020", periods=N), "dtype period"),
    "intervals": (pd.arrays.IntervalArray.from_breaks(np.arange(N + 1)), "dtype interval"),
    "complex numbers": (NUMBERS * 1j, "dtype complex128"),
    "objects that are dates": ([datetime.date(2020, 1, 1)] * N, "type date"),
    "lists": ([[1, 2]] * N, "type list"),
    "free text": (
        [f"row {i}" for i in range(N)],
        "free text or identifiers: 120 distinct strings in 120 rows",
    ),
}


@pytest.mark.parametrize(("column", "trouble"), UNFIT.values(), ids=UNFIT)
def test_other_columns_are_an_error_that_names_them(column, trouble):
    with pytest.raises(ValueError, match=f"Column 'odd' holds .*{trouble}") as error:
        make_tabular_pipeline().fit(small_frame().assign(odd=column), Y)
    assert "skrub.tabular_pipeline(ScratchMLPClassifier())" in str(error.value)


def test_other_columns_of_polars_are_named_too():
    for odd in ([datetime.datetime(2020, 1, 1)] * N, [f"row {i}" for i in range(N)], [[1]] * N):
        with pytest.raises(ValueError, match="Column 'odd' holds"):
            make_tabular_pipeline().fit(pl.DataFrame({"number": NUMBERS, "odd": odd}), Y)


@pytest.mark.parametrize(
    ("n_distinct", "n_rows", "is_text"),
    [(40, 40, False), (41, 41, True), (41, 81, True), (41, 82, False), (60, 120, False), (61, 120, True)],
)
def test_strings_are_text_if_many_are_distinct(n_distinct, n_rows, is_text):
    words = [f"word {i % n_distinct}" for i in range(n_rows)]
    frame = pd.DataFrame({"words": words + [None] * 50})
    columns = make_tabular_pipeline(min_frequency=None)[:-1]
    if is_text:
        with pytest.raises(ValueError, match="Column 'words' holds free text"):
            columns.fit(frame)
        frame = frame.astype("category")  # the user knows better
    assert columns.fit_transform(frame).shape == (n_rows + 50, n_distinct + 1)


def test_sparse_rows_are_an_error():
    with pytest.raises(TypeError, match="X is sparse"):
        make_tabular_pipeline().fit(sp.csr_array(np.eye(N)), Y)


# An ordinary pipeline


def test_it_is_a_pipeline_of_unfitted_steps_with_the_usual_names():
    model = make_tabular_pipeline()
    assert type(model) is Pipeline
    assert list(model.named_steps) == ["columntransformer", "scratchmlpclassifier"]
    assert model[-1].get_params() == ScratchMLPClassifier().get_params()
    assert repr(clone(model)) == repr(model)
    with pytest.raises(TypeError):
        make_tabular_pipeline(mlp(), 5)


def test_its_parameters_reach_the_steps():
    model = make_tabular_pipeline(
        LogisticRegression(), n_knots=5, min_frequency=0.1, memory="x", verbose=True
    )
    params = model.get_params()
    assert params["columntransformer__numbers__piecewiselinearencoder__n_knots"] == 5
    assert params["columntransformer__categories__onehotencoder__min_frequency"] == 0.1
    assert params["logisticregression"] is model[-1]
    assert (model.memory, model.verbose) == ("x", True)
    assert make_tabular_pipeline(transform_input=["X_val"]).transform_input == ["X_val"]


def test_a_grid_search_reaches_every_step():
    grid = {
        "columntransformer__numbers__piecewiselinearencoder__n_knots": [0, 8],
        "columntransformer__categories__onehotencoder__min_frequency": [None, 5],
        "scratchmlpclassifier__alpha": ["auto", 0.01],
    }
    search = GridSearchCV(make_tabular_pipeline(mlp()), grid, cv=2, error_score="raise").fit(small_frame(), Y)
    assert len(search.cv_results_["params"]) == 8
    assert search.score(small_frame(), Y) > 0.9


def test_validation_rows_are_prepared_like_the_others():
    frame, later = small_frame(80), small_frame()[80:]
    with sklearn.config_context(enable_metadata_routing=True):
        clf = mlp(early_stopping=True).set_fit_request(X_val=True, y_val=True)
        model = make_tabular_pipeline(clf, transform_input=["X_val"])
        model.fit(frame, Y[:80], X_val=later, y_val=Y[80:])
    columns = make_tabular_pipeline()[:-1].fit(frame)
    by_hand = mlp(early_stopping=True).fit(
        columns.transform(frame), Y[:80], X_val=columns.transform(later), y_val=Y[80:]
    )
    assert model[-1].validation_loss_curve_ == by_hand.validation_loss_curve_
    assert_array_equal(model.predict_proba(later), by_hand.predict_proba(columns.transform(later)))


def test_weights_are_passed_to_the_classifier():
    w = RNG.uniform(size=N)
    model = make_tabular_pipeline(mlp()).fit(small_frame(), Y, scratchmlpclassifier__sample_weight=w)
    by_hand = mlp().fit(make_tabular_pipeline()[:-1].fit_transform(small_frame()), Y, w)
    assert_array_equal(model[-1].coefs_[0], by_hand.coefs_[0])


@each_library
def test_it_survives_pickling(library):
    frame, _, _ = make_frame(library)
    model = make_tabular_pipeline(mlp()).fit(frame, Y)
    loaded = pickle.loads(pickle.dumps(model))
    assert_array_equal(loaded.predict_proba(frame), model.predict_proba(frame))


@pytest.mark.parametrize("fitted", [False, True])
def test_its_diagram_names_the_steps(fitted):
    model = make_tabular_pipeline(mlp())
    diagram = estimator_html_repr(model.fit(small_frame(), Y) if fitted else model)
    for step in ("numbers", "categories", "PiecewiseLinearEncoder", "OneHotEncoder", "ScratchMLPClassifier"):
        assert step in diagram
    assert "skscratch.readthedocs.io/en/stable/generated/skscratch.PiecewiseLinearEncoder.html" in diagram


# What it is for


def test_a_jagged_effect_is_learned_better_than_from_scaled_columns():
    rng = np.random.default_rng(1)
    X = rng.uniform(0, 10, size=(1500, 3))
    y = ((X[:, 0] // 1.25) % 2 == 1).astype(int)
    scaled = cross_val_score(make_pipeline(StandardScaler(), ScratchMLPClassifier(random_state=0)), X, y)
    encoded = cross_val_score(make_tabular_pipeline(ScratchMLPClassifier(random_state=0)), X, y)
    assert encoded.mean() > 0.9 > 0.8 > scaled.mean()
