#include "cli/trial_log.hpp"

#include "reports/atomic_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

namespace windtunnel {

namespace {

Problem problem_at(const std::string& file, const std::string& message) { return {{file, 0, 0}, "", message}; }

}  // namespace

Result<std::unique_ptr<TrialLog>> TrialLog::open(const std::string& file, const PartHead& head) {
    std::unique_ptr<TrialLog> log(new TrialLog);
    log->m_descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (log->m_descriptor < 0) return problem_at(file, std::string("cannot be written: ") + std::strerror(errno));
    // File systems without locks say so: there nobody watches.
    if (::flock(log->m_descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return problem_at(file, "is being written by another process, allowed: one at a time");
    std::error_code ignored;
    if (std::filesystem::file_size(file, ignored) > 0) {
        Result<Part> part = read_part(file);
        if (!part) return part.take_problems();
        Problems foreign = foreign_to(head, *part);
        if (head.shard && part->head.shard && part->head.shard->index != head.shard->index)
            foreign.push_back({{file, 0, 0},
                               "shard.index",
                               "found " + std::to_string(part->head.shard->index) + ", which is another part's, allowed: " +
                                   std::to_string(head.shard->index)});
        if (!foreign.empty()) {
            foreign.push_back(problem_at(file, "holds trials that this run would overwrite; remove it, or name another file"));
            return foreign;
        }
        log->m_part = std::move(*part);
        return log;
    }
    log->m_part.file = file;
    log->m_part.head = head;
    log->append(part_head_line(head));
    return log;
}

TrialLog::~TrialLog() {
    if (m_descriptor >= 0) ::close(m_descriptor);
}

const TrialNumbers* TrialLog::find(std::uint32_t place) const {
    const auto at = m_part.trials.find(place);
    return at == m_part.trials.end() ? nullptr : &at->second;
}

void TrialLog::add(std::uint32_t place, const TrialNumbers& numbers) {
    const std::string line = part_trial_line(place, numbers);
    const std::lock_guard<std::mutex> lock(m_guard);
    if (m_part.trials.emplace(place, numbers).second) append(line);
}

void TrialLog::append(const std::string& line) {
    // A line that was cut off, or the last one of a run that grows now.
    if (m_appended == 0 && ::ftruncate(m_descriptor, static_cast<off_t>(m_part.sound_bytes)) != 0)
        throw std::runtime_error(m_part.file + " cannot be written: " + std::strerror(errno));
    m_part.complete = false;
    ++m_appended;
    for (std::size_t done = 0; done < line.size();) {
        const ssize_t wrote = ::write(m_descriptor, line.data() + done, line.size() - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) throw std::runtime_error(m_part.file + " cannot be written: " + std::strerror(errno));
        done += static_cast<std::size_t>(wrote);
    }
}

Problems TrialLog::finish(const std::string& sections) {
    m_part.complete = true;
    m_part.sections = sections;
    return write_file(m_part.file, part_text(m_part));
}

}  // namespace windtunnel
