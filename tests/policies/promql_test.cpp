#include "policies/promql_compiler.hpp"
#include "policies/promql_eval.hpp"
#include <catch2/catch.hpp>
using namespace windtunnel;
TEST_CASE("x") { PromqlCompiler c({}); auto r = c.compile("1+2*3"); REQUIRE(r.ok());
 PromqlElement e[4]; PromqlPoint p[4]; PromqlWorkspace w; w.elements=e; w.points=p; w.element_capacity=4; w.point_capacity=4;
 SampleStoreView s; auto v = evaluate(r->view(), s, seconds(1), w); CHECK(v.scalar == 7); }
