#pragma once
#include "policies/promql_functions.hpp"

#include <cstdint>

/// scalingModifiers.formula as a trial runs it: a stack machine over the triggers' values. The language is
/// that of expr-lang/expr, which KEDA uses (kubernetes.md 2.9; the language itself from general knowledge,
/// not re-read, 2026-11); compile_keda_formula() makes programs.
namespace windtunnel {

inline constexpr std::int32_t keda_formula_limit = 128;       ///< instructions of one formula
inline constexpr std::int32_t keda_formula_stack_limit = 32;  ///< values at once

enum class KedaFormulaOp : std::uint8_t {
    nil,
    boolean,      ///< push `number` != 0
    integer,      ///< push `number`
    number,       ///< push `number`
    trigger,      ///< push the value of trigger `target`, nil where it has none
    element,      ///< push what a predicate calls #
    set_element,  ///< pop it
    count_if,     ///< pop a boolean; add 1 to the integer below where it holds
    add,
    subtract,
    multiply,
    divide,
    modulo,
    power,  ///< pop; to the power `number`
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    negate,
    invert,      ///< not
    to_integer,  ///< int()
    to_number,   ///< float()
    absolute,
    ceiling,
    floor,
    round,
    minimum,  ///< of the topmost `target` values
    maximum,
    sum,
    mean,
    median,
    jump,           ///< to `target`
    jump_if_false,  ///< pop a boolean
    jump_if_set,    ///< jump where the top is not nil, else pop it
    keep_if_true,   ///< or: jump where the top is true, else pop it
    keep_if_false,  ///< and: jump where the top is false, else pop it
};

struct KedaFormulaInstruction {
    KedaFormulaOp op = KedaFormulaOp::nil;
    std::uint8_t padding[3] = {};
    std::int32_t target = 0;
    double number = 0;
};

struct KedaFormulaProgram {
    std::int32_t count = 0;  ///< 0: no formula
    std::int32_t padding = 0;
    KedaFormulaInstruction instructions[keda_formula_limit];
};

enum class KedaFormulaKind : std::uint8_t { nil, boolean, integer, number };

struct KedaFormulaValue {
    KedaFormulaKind kind = KedaFormulaKind::nil;
    double number = 0;  ///< a boolean's is 1 or 0
};

/// What a formula gives: an error where an operation does not fit its operands (a sum with nil), or the
/// result is a boolean.
struct KedaFormulaResult {
    bool error = false;
    bool is_nil = false;
    double value = 0;
};

class KedaFormulaMachine {
public:
    /// `triggers` has a value for each trigger of the object; nil where the trigger failed for long enough.
    WT_HD_COLD KedaFormulaResult run(const KedaFormulaProgram& program, const KedaFormulaValue* triggers) {
        std::int32_t at = 0;
        while (at < program.count && !m_error) at = step(program.instructions[at], at, triggers);
        if (m_error || m_depth != 1 || m_stack[0].kind == KedaFormulaKind::boolean) return {true, false, 0};
        return {false, m_stack[0].kind == KedaFormulaKind::nil, m_stack[0].number};
    }

private:
    using Kind = KedaFormulaKind;
    using Value = KedaFormulaValue;

    [[nodiscard]] WT_HD static bool is_number(const Value& v) {
        return v.kind == Kind::integer || v.kind == Kind::number;
    }
    WT_HD void push(Value v) {
        if (m_depth == keda_formula_stack_limit)
            m_error = true;
        else
            m_stack[m_depth++] = v;
    }
    WT_HD Value pop() {
        if (m_depth == 0) {
            m_error = true;
            return {};
        }
        return m_stack[--m_depth];
    }
    WT_HD Value top() {
        if (m_depth == 0) m_error = true;
        return m_depth == 0 ? Value{} : m_stack[m_depth - 1];
    }
    WT_HD bool truth(const Value& v) {
        if (v.kind != Kind::boolean) m_error = true;
        return v.number != 0;
    }
    WT_HD double number(const Value& v) {
        if (!is_number(v)) m_error = true;
        return v.number;
    }

    WT_HD_COLD void arithmetic(KedaFormulaOp op) {
        const Value b = pop(), a = pop();
        const double x = number(a), y = number(b);
        const bool integers = a.kind == Kind::integer && b.kind == Kind::integer;
        const Kind kind = integers ? Kind::integer : Kind::number;
        if (op == KedaFormulaOp::add) return push({kind, x + y});
        if (op == KedaFormulaOp::subtract) return push({kind, x - y});
        if (op == KedaFormulaOp::multiply) return push({kind, x * y});
        if (op == KedaFormulaOp::divide) return push({Kind::number, x / y});
        if (!integers || y == 0) m_error = true;  // % is for integers: int(a) % 2
        push({Kind::integer, y == 0 ? 0 : std::fmod(x, y)});
    }

    WT_HD_COLD void comparison(KedaFormulaOp op) {
        const Value b = pop(), a = pop();
        bool holds = false;
        if (op == KedaFormulaOp::equal || op == KedaFormulaOp::not_equal) {
            const bool comparable = a.kind == b.kind || (is_number(a) && is_number(b));
            holds = comparable && (a.kind == Kind::nil || a.number == b.number);
            if (op == KedaFormulaOp::not_equal) holds = !holds;
        } else {
            const double x = number(a), y = number(b);
            holds = op == KedaFormulaOp::less         ? x < y
                    : op == KedaFormulaOp::less_equal ? x <= y
                    : op == KedaFormulaOp::greater    ? x > y
                                                      : x >= y;
        }
        push({Kind::boolean, holds ? 1.0 : 0.0});
    }

    WT_HD_COLD void fold(KedaFormulaOp op, std::int32_t n) {
        if (n <= 0 || n > m_depth) {
            m_error = true;
            return;
        }
        Value* values = m_stack + (m_depth - n);
        bool integers = true;
        for (std::int32_t i = 0; i < n; ++i) {
            (void)number(values[i]);
            integers = integers && values[i].kind == Kind::integer;
            for (std::int32_t j = i; op == KedaFormulaOp::median && j > 0; --j) {  // sorted for the median
                if (!(values[j].number < values[j - 1].number)) break;
                const Value kept = values[j];
                values[j] = values[j - 1];
                values[j - 1] = kept;
            }
        }
        double result = op == KedaFormulaOp::sum || op == KedaFormulaOp::mean ? 0 : values[0].number;
        for (std::int32_t i = 0; i < n; ++i) {
            const double v = values[i].number;
            if (op == KedaFormulaOp::sum || op == KedaFormulaOp::mean) result += v;
            if (op == KedaFormulaOp::minimum && v < result) result = v;
            if (op == KedaFormulaOp::maximum && v > result) result = v;
        }
        if (op == KedaFormulaOp::mean) result /= static_cast<double>(n);
        if (op == KedaFormulaOp::median)
            result =
                n % 2 == 1 ? values[n / 2].number : (values[n / 2 - 1].number + values[n / 2].number) / 2;
        if (op == KedaFormulaOp::mean || op == KedaFormulaOp::median) integers = false;
        m_depth -= n;
        push({integers ? Kind::integer : Kind::number, result});
    }

    WT_HD_COLD void unary(KedaFormulaOp op, double exponent) {
        const Value a = pop();
        const double x = number(a);
        switch (op) {
            case KedaFormulaOp::negate:
                return push({a.kind, -x});
            case KedaFormulaOp::to_integer:
                return push({Kind::integer, x < 0 ? std::ceil(x) : std::floor(x)});
            case KedaFormulaOp::to_number:
                return push({Kind::number, x});
            case KedaFormulaOp::absolute:
                return push({a.kind, x < 0 ? -x : x});
            case KedaFormulaOp::ceiling:
                return push({Kind::number, std::ceil(x)});
            case KedaFormulaOp::floor:
                return push({Kind::number, std::floor(x)});
            case KedaFormulaOp::round: {  // Go's math.Round: halves away from zero
                const double whole = std::floor(x < 0 ? -x : x);
                const double rounded = (x < 0 ? -x : x) - whole >= 0.5 ? whole + 1 : whole;
                return push({Kind::number, x < 0 ? -rounded : rounded});
            }
            default:
                return push({Kind::number, small_power(x, exponent)});
        }
    }

    WT_HD_COLD std::int32_t step(const KedaFormulaInstruction& i, std::int32_t at, const Value* triggers) {
        switch (i.op) {
            case KedaFormulaOp::nil:
                push({});
                break;
            case KedaFormulaOp::boolean:
                push({Kind::boolean, i.number});
                break;
            case KedaFormulaOp::integer:
                push({Kind::integer, i.number});
                break;
            case KedaFormulaOp::number:
                push({Kind::number, i.number});
                break;
            case KedaFormulaOp::trigger:
                push(triggers[i.target]);
                break;
            case KedaFormulaOp::element:
                push(m_element);
                break;
            case KedaFormulaOp::set_element:
                m_element = pop();
                break;
            case KedaFormulaOp::count_if: {
                const bool holds = truth(pop());
                const Value n = pop();
                push({Kind::integer, n.number + (holds ? 1 : 0)});
                break;
            }
            case KedaFormulaOp::add:
            case KedaFormulaOp::subtract:
            case KedaFormulaOp::multiply:
            case KedaFormulaOp::divide:
            case KedaFormulaOp::modulo:
                arithmetic(i.op);
                break;
            case KedaFormulaOp::equal:
            case KedaFormulaOp::not_equal:
            case KedaFormulaOp::less:
            case KedaFormulaOp::less_equal:
            case KedaFormulaOp::greater:
            case KedaFormulaOp::greater_equal:
                comparison(i.op);
                break;
            case KedaFormulaOp::invert:
                push({Kind::boolean, truth(pop()) ? 0.0 : 1.0});
                break;
            case KedaFormulaOp::power:
            case KedaFormulaOp::negate:
            case KedaFormulaOp::to_integer:
            case KedaFormulaOp::to_number:
            case KedaFormulaOp::absolute:
            case KedaFormulaOp::ceiling:
            case KedaFormulaOp::floor:
            case KedaFormulaOp::round:
                unary(i.op, i.number);
                break;
            case KedaFormulaOp::minimum:
            case KedaFormulaOp::maximum:
            case KedaFormulaOp::sum:
            case KedaFormulaOp::mean:
            case KedaFormulaOp::median:
                fold(i.op, i.target);
                break;
            case KedaFormulaOp::jump:
                return i.target;
            case KedaFormulaOp::jump_if_false:
                if (!truth(pop())) return i.target;
                break;
            case KedaFormulaOp::jump_if_set:
                if (top().kind != Kind::nil) return i.target;
                (void)pop();
                break;
            case KedaFormulaOp::keep_if_true:
                if (truth(top())) return i.target;
                (void)pop();
                break;
            case KedaFormulaOp::keep_if_false:
                if (!truth(top())) return i.target;
                (void)pop();
                break;
        }
        return at + 1;
    }

    Value m_stack[keda_formula_stack_limit];
    Value m_element;
    std::int32_t m_depth = 0;
    bool m_error = false;
};

}  // namespace windtunnel
