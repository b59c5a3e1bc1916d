#pragma once
#include "models/problem.hpp"
#include "policies/keda_formula.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace windtunnel {

/// Compiles scalingModifiers.formula. `triggers` are the names of the object's triggers by index ("" = none).
///
/// Understood of the expr language (expr-lang/expr 1.17): numbers, true, false, nil, trigger names; + - * /
/// % ** ^ (a constant power from -64 to 64, or 0.5), comparisons, and && or || not !, ?? and ?:, abs ceil
/// floor round int float, min max sum mean median over arguments or an array, and count all any none one over
/// an array with a predicate in which # is the element: count([a, b], {# > 1}).
///
/// A problem's message starts with "formula column N"; `where` and `path` go into it unchanged.
[[nodiscard]] Result<KedaFormulaProgram> compile_keda_formula(std::string_view formula,
                                                              const std::vector<std::string>& triggers,
                                                              const SourcePosition& where = {},
                                                              const std::string& path = {});

}  // namespace windtunnel
