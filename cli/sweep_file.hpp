#pragma once
#include "models/problem.hpp"
#include "reports/sweep.hpp"

#include <fstream>
#include <string>
#include <vector>

namespace windtunnel {

/// The JSON-lines file of a sweep: a header, then a line whenever a configuration got further. The last line
/// of a configuration counts. What an interrupted sweep left there is taken up again; once all is done the
/// file is written anew, one line for each configuration in order, the same bytes as if nothing had happened.
class SweepFile {
public:
    /// "" = no file. `fresh`: what stands there is not looked at.
    SweepFile(std::string file, bool fresh) : m_file(std::move(file)), m_fresh(fresh) {}

    /// Takes back what the file says, if it is of the same sweep; how many configurations that were is in
    /// `taken_up`. A file of another sweep, or of something else, is a problem.
    [[nodiscard]] Problems open(SweepReport& report);
    /// Appends lines for these configurations.
    [[nodiscard]] Problems append(const SweepReport& report,
                                  const std::vector<Configuration*>& configurations);
    /// Writes it anew, in order.
    [[nodiscard]] Problems finish(const SweepReport& report);

    [[nodiscard]] std::size_t taken_up() const { return m_taken_up; }

private:
    const std::string m_file;
    const bool m_fresh;
    std::ofstream m_out;
    std::size_t m_taken_up = 0;
};

}  // namespace windtunnel
