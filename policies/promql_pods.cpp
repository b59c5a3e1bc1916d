#include "policies/promql_pods.hpp"

#include <optional>
#include <set>

namespace windtunnel {
namespace {

using LabelIds = std::set<std::int32_t>;

/// What a label map makes of the labels; nothing where it makes elements of several pods one.
std::optional<LabelIds> mapped(const PromqlProgram& program, std::int32_t table, const LabelIds& labels) {
    if (table < 0) return labels;
    LabelIds out;
    for (const std::int32_t id : labels) {
        const std::int32_t word = program.words[static_cast<std::size_t>(table + id)];
        if (word < 0) continue;
        if ((word & 1) == 0) return std::nullopt;
        out.insert(word >> 1);
    }
    return out;
}

bool keeps_pods_apart(const PromqlProgram& program) {
    LabelIds labels;
    int selectors = 0;
    for (const PromqlInstruction& op : program.instructions) {
        if (op.check_duplicates) return false;
        switch (op.op) {
            case PromqlOp::select:
            case PromqlOp::range_select:
                if (++selectors > 1) return false;
                for (std::int32_t k = 0; k < op.count; ++k)
                    labels.insert(program.words[static_cast<std::size_t>(op.table + 2 * k + 1)]);
                break;
            case PromqlOp::vector_scalar:
            case PromqlOp::map_values:
            case PromqlOp::aggregate:
            case PromqlOp::subquery_end: {
                if (op.op == PromqlOp::aggregate && op.function == static_cast<std::uint8_t>(PromqlAggregate::count_values))
                    return false;  // what its label map keeps is a value
                const auto after = mapped(program, op.table, labels);
                if (!after) return false;
                labels = *after;
                break;
            }
            case PromqlOp::number:
            case PromqlOp::time:
            case PromqlOp::scalar_negate:
            case PromqlOp::scalar_binary:
            case PromqlOp::shift_time:
            case PromqlOp::subquery_begin:
                break;
            default:
                return false;
        }
    }
    return selectors == 1;
}

}  // namespace

bool read_only_pods_of(PromqlProgram& program, const std::vector<StreamPlan>& streams,
                       std::int32_t workload) {
    if (!keeps_pods_apart(program)) return false;
    for (PromqlInstruction& op : program.instructions) {
        if (op.op != PromqlOp::select && op.op != PromqlOp::range_select) continue;
        std::int32_t kept = 0;
        for (std::int32_t k = 0; k < op.count; ++k) {
            const auto from = static_cast<std::size_t>(op.table + 2 * k),
                       to = static_cast<std::size_t>(op.table + 2 * kept);
            if (streams[static_cast<std::size_t>(program.words[from])].workload != workload) continue;
            program.words[to] = program.words[from];
            program.words[to + 1] = program.words[from + 1];
            ++kept;
        }
        op.count = kept;
    }
    return true;
}

}  // namespace windtunnel
