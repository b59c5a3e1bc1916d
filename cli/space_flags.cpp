#include "cli/space_flags.hpp"

#include "cli/command_line.hpp"

#include <algorithm>

namespace windtunnel {

namespace {

/// What makes configurations comparable is not varied.
bool fixes_the_comparison(const std::string& assignment) {
    for (const char* key : {"seed", "trials", "thresholds", "goodput"}) {
        const std::string name = key;
        if (assignment.starts_with(name) &&
            (assignment.size() == name.size() ||
             std::string("=.[").find(assignment[name.size()]) != std::string::npos))
            return true;
    }
    return false;
}

}  // namespace

void add_space_flags(CLI::App& command, SpaceFlags& flags) {
    constexpr const char* space = "Space";
    add_list(command, "--vary,--grid", flags.vary,
             "PATH=VALUES: a path as --set takes it (several with & between), and 1,2,4 or LOW:HIGH:STEP or "
             "LOW:HIGH:*RATIO or LOW..HIGH; repeatable")
        ->group(space);
    command
        .add_option("--space", flags.file,
                    "YAML file of dimensions, where several fields change together: vary: [{name, choices: "
                    "{l4: {PATH: VALUE}}}]")
        ->group(space);
}

Result<std::vector<Dimension>> read_space(const SpaceFlags& flags, bool required) {
    std::vector<Dimension> out;
    Problems problems;
    const auto take = [&](Problems more) {
        for (Problem& p : more) problems.push_back(std::move(p));
    };
    if (!flags.file.empty()) {
        auto dimensions = read_space_file(flags.file);
        if (dimensions)
            out = std::move(*dimensions);
        else
            take(dimensions.take_problems());
    }
    for (const std::string& text : flags.vary) {
        auto d = parse_dimension(text);
        if (d) {
            out.push_back(std::move(*d));
        } else {
            Problems wrong = d.take_problems();
            for (Problem& p : wrong) p.where.file = "--vary";
            take(std::move(wrong));
        }
    }
    if (!problems.empty()) return problems;
    if (out.empty() && required)
        return Problem{{}, "--vary", "found none, allowed: at least one PATH=VALUES, or --space FILE"};
    take(finish_space(out, "--vary"));
    for (const Dimension& d : out) {
        const Choice probe = d.choices.empty() ? d.choice_of("0") : d.choices.front();
        for (const std::string& a : probe.assignments)
            if (fixes_the_comparison(a))
                problems.push_back({{},
                                    "--vary",
                                    "found " + a.substr(0, a.find('=')) +
                                        ", allowed: fields of the scenario and its manifests; seed, trials, "
                                        "thresholds and goodput are the same for all"});
    }
    if (!problems.empty()) return problems;
    return out;
}

}  // namespace windtunnel
