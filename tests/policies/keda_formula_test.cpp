// scalingModifiers' expressions; expected values by hand from expr's language definition.
#include "policies/keda_formula_compiler.hpp"

#include <catch2/catch.hpp>
#include <cmath>

using namespace windtunnel;
using Catch::Matchers::Contains;

namespace {

KedaFormulaResult run(const std::string& formula, std::vector<KedaFormulaValue> values) {
    const auto program = compile_keda_formula(formula, {"a", "b", "c"});
    INFO(formula << (program ? "" : ": " + program.problems()[0].message));
    REQUIRE(program);
    values.resize(3);
    return KedaFormulaMachine{}.run(*program, values.data());
}

KedaFormulaValue number(double v) { return {KedaFormulaKind::number, v}; }

/// a = 2, b = 3.5, c = nil.
double value(const std::string& formula) {
    const KedaFormulaResult r = run(formula, {number(2), number(3.5)});
    INFO(formula);
    REQUIRE_FALSE(r.error);
    REQUIRE_FALSE(r.is_nil);
    return r.value;
}

std::string problem(const std::string& formula) {
    const auto program = compile_keda_formula(formula, {"queue", "", "rate"});
    return program ? "" : program.problems()[0].message;
}

}  // namespace

TEST_CASE("keda formula: arithmetic binds as in expr") {
    CHECK(value("a + b * 2") == 9);
    CHECK(value("(a + b) * 2") == 11);
    CHECK(value("-a ** 2") == -4);
    CHECK(value("b - a - 1") == 0.5);
    CHECK(value("7 / 2") == 3.5);
    CHECK(value("7 % 4 + 1e1 + 1_000") == 1013);
    CHECK(value("int(b) % 2") == 1);
    CHECK(run("b % 2", {number(2), number(3.5)}).error);
    CHECK(run("7 % int(a - 2)", {number(2)}).error);
    CHECK(std::isinf(value("a / 0")));
    CHECK(value("b ^ 2 + a ** 0.5 * 0") == 12.25);
}

TEST_CASE("keda formula: conditions, nil and functions") {
    CHECK(value("a > 1 ? a + b : 1") == 5.5);
    CHECK(value("a > 2 ? 1 : b < 4 and not (a == 3) ? 7 : 8") == 7);
    CHECK(value("a == 2 || c > 1 ? 4 : 5") == 4);  // c > 1 would fail, and is not looked at
    CHECK(value("a != 2 && c > 1 ? 4 : 5") == 5);
    CHECK(value("(c ?? 9) + 1") == 10);
    CHECK(value("a ?? 9") == 2);
    CHECK(value("c == nil ? 1 : 2") == 1);
    CHECK(value("max(a, b, 1)") == 3.5);
    CHECK(value("min([a, b, 1])") == 1);
    CHECK(value("sum([a, b]) + mean(a, 4) + median([9, a, b])") == 5.5 + 3 + 3.5);
    CHECK(value("median(1, 4, 2, 9)") == 3);
    CHECK(value("ceil(b) + floor(b) + round(b) + abs(0 - a)") == 4 + 3 + 4 + 2);
    CHECK(value("round(0 - 2.5)") == -3);
    CHECK(value("count([a, b, 1], {# > 1})") == 2);
    CHECK(value("count([a, b], {# > 1}) == 2 ? 5 : 10") == 5);
    CHECK(value("(all([a, b], {# > 1}) ? 1 : 0) + (any([a, b], # > 3) ? 10 : 0) + (none([a], {# > 1}) ? 100 : 0) + "
                "(one([a, b], {# > 3}) ? 1000 : 0)") == 1011);
    CHECK(run("c", {}).is_nil);
    CHECK(run("c + 1", {}).error);
    CHECK(run("a > 1", {number(2)}).error);  // a boolean is no replica count
}

TEST_CASE("keda formula: what is wrong is named with its column") {
    CHECK_THAT(problem("queue + rat"), Contains("formula column 9: found the name 'rat'") && Contains("did you mean rate"));
    CHECK_THAT(problem("queue +"), Contains("formula column 8: found the end of the formula"));
    CHECK_THAT(problem("queue ?? 1 + 2"), Contains("column 12") && Contains("parentheses"));
    CHECK_THAT(problem("filter([queue], {# > 1})"), Contains("the function filter()"));
    CHECK_THAT(problem("queue ** rate"), Contains("a constant power"));
    CHECK_THAT(problem("queue = 1"), Contains("found '='"));
    CHECK_THAT(problem("# + 1"), Contains("outside of a predicate"));
    CHECK_THAT(problem("1.2.3"), Contains("a number"));
    CHECK_THAT(problem("max()"), Contains("at least one"));
    CHECK_THAT(problem(""), Contains("the end of the formula"));
}
