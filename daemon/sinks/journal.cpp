// SPDX-License-Identifier: Apache-2.0
#include "sinks/journal.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/text.h"
#include "base/unique_fd.h"
#include "incident/text.h"

namespace disarmd {

namespace {

// sd-journal(3) sends entries there.
constexpr const char* journal_socket = "/run/systemd/journal/socket";
constexpr const char* varlink_socket = "/run/systemd/journal/io.systemd.journal";
// Of a busy disk's.
constexpr std::chrono::seconds synchronize_patience(10);
// Fields of timers, of which an entry may have many.
constexpr std::size_t timers_max = 64;

class Fields {
public:
    void add(std::string_view name, std::string_view value) {
        auto field = fmt::format("{}={}", name, value);
        if (std::ranges::find(fields_, field) == fields_.end())
            fields_.push_back(std::move(field));
    }
    // Nothing where there is no value.
    void add_known(std::string_view name, std::string_view value) {
        if (!value.empty())
            add(name, printable(value));
    }
    [[nodiscard]] std::vector<std::string> take() { return std::move(fields_); }

private:
    std::vector<std::string> fields_;
};

const char* message_id_of(const Unload& unload) {
    if (unload.outcome == Outcome::denied)
        return denied_message_id;
    switch (unload.verdict) {
    case Verdict::leak:
        return leak_message_id;
    case Verdict::inconclusive:
        return inconclusive_message_id;
    case Verdict::clean:
        break;
    }
    return allowed_message_id;
}

} // namespace

std::vector<std::string> to_journal_fields(const Incident& incident) {
    const auto& unload = incident.unload;
    const bool leak = unload.verdict == Verdict::leak;
    Fields fields;
    fields.add("MESSAGE", to_log(incident).front());
    fields.add("MESSAGE_ID", message_id_of(unload));
    fields.add("PRIORITY", std::to_string(leak ? LOG_CRIT : LOG_WARNING));
    fields.add("SYSLOG_IDENTIFIER", "disarmd");
    fields.add("DISARMD_INCIDENT", incident.id);
    fields.add("DISARMD_VERDICT", name_of(unload.verdict));
    fields.add("DISARMD_OUTCOME", name_of(unload.outcome));
    fields.add("DISARMD_MODULE", printable(unload.module));
    fields.add_known("DISARMD_MODULE_VERSION", unload.identity.version);
    fields.add_known("DISARMD_MODULE_SRCVERSION", unload.identity.srcversion);
    fields.add("DISARMD_UNLOAD_PID", std::to_string(unload.pid));
    fields.add("DISARMD_UNLOAD_COMM", printable(unload.comm));
    fields.add_known("DISARMD_UNLOAD_COMMAND", fmt::format("{}", fmt::join(unload.command, " ")));
    fields.add("DISARMD_ACTION", name_of(unload.policy.action));
    fields.add_known("DISARMD_RULE", printable(unload.policy.rule));
    fields.add("DISARMD_PENDING", std::to_string(unload.pending_count));
    for (std::size_t i = 0; i < std::min(timers_max, unload.pending.size()); ++i) {
        const auto& timer = unload.pending[i];
        fields.add("DISARMD_CAUSE", name_of(timer.cause));
        if (timer.cause == Cause::rearmed_after_delete)
            fields.add("DISARMD_REARMED_BY", name_of(timer.rearmer));
        fields.add("DISARMD_TIMER", fmt::format("{} {}", name_of(timer.kind), printable(timer.symbol)));
    }
    for (const auto& reason : unload.why_inconclusive)
        fields.add("DISARMD_WHY_INCONCLUSIVE", printable(reason));
    if (!unload.advice.empty()) // whose names are escaped already
        fields.add("DISARMD_ADVICE", unload.advice);
    return fields.take();
}

Result<void> synchronize_journal(const std::string& socket, std::chrono::milliseconds patience) {
    const auto failed = [&] {
        return fail(Error::from_errno(fmt::format("asking {} to synchronize", socket)));
    };
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    if (socket.size() >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return failed();
    }
    socket.copy(address.sun_path, socket.size());
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd)
        return failed();
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(patience);
    const timeval limit{
        .tv_sec = seconds.count(),
        .tv_usec = std::chrono::duration_cast<std::chrono::microseconds>(patience - seconds).count()};
    for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO}) {
        if (::setsockopt(fd.get(), SOL_SOCKET, direction, &limit, sizeof(limit)) != 0)
            return failed();
    }
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return errno == ENOENT || errno == ECONNREFUSED ? Result<void>() : failed();
    // A message ends with a NUL.
    const auto call = std::string(R"({"method":"io.systemd.Journal.Synchronize"})") + '\0';
    if (::send(fd.get(), call.data(), call.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(call.size()))
        return failed();
    std::string reply;
    std::array<char, 512> bytes{};
    while (!reply.ends_with('\0')) {
        const auto size = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return fail({ETIMEDOUT, fmt::format("asking {} to synchronize: no reply within {}", socket,
                                                duration_text(patience))});
        if (size < 0)
            return failed();
        if (size == 0)
            return fail({ECONNRESET, fmt::format("asking {} to synchronize: it hung up", socket)});
        reply.append(bytes.data(), static_cast<std::size_t>(size));
    }
    reply.pop_back();
    const auto json = nlohmann::json::parse(reply, nullptr, false);
    if (!json.is_object() || json.contains("error"))
        return fail({EPROTO, fmt::format("asking {} to synchronize: it says {}", socket, printable(reply))});
    return {};
}

bool JournalSink::is_there() {
    return ::access(journal_socket, F_OK) == 0;
}

Result<void> JournalSink::prepare() {
    static_cast<void>(to_journal_fields(specimen()));
    return {};
}

Result<void> JournalSink::write(const Incident& incident) {
    // It would say nothing of that.
    if (!is_there())
        return fail({ENOENT, fmt::format("{} is gone", journal_socket)});
    auto fields = to_journal_fields(incident);
    std::vector<iovec> parts;
    parts.reserve(fields.size());
    for (auto& field : fields)
        parts.push_back({field.data(), field.size()});
    if (const int err = sd_journal_sendv(parts.data(), static_cast<int>(parts.size())); err < 0)
        return fail(Error::from_code(-err, "sending to the journal"));
    return synchronize_journal(varlink_socket, synchronize_patience);
}

} // namespace disarmd
