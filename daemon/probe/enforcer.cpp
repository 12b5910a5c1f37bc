// SPDX-License-Identifier: Apache-2.0
#include "probe/enforcer.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <system_error>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

namespace disarmd {

namespace {

constexpr int proof_attempts = 4;

bool operator==(const abi::module_key& left, const abi::module_key& right) {
    return std::memcmp(&left, &right, sizeof(left)) == 0;
}

} // namespace

abi::module_key module_key_of(const std::string& name, const std::string& srcversion) {
    abi::module_key key{};
    copy_text(key.name, name);
    copy_text(key.srcversion, srcversion);
    return key;
}

Result<void> prove_denying(const std::string& proof_name, const __u64& proofs) {
    const auto seen = [&] { return *static_cast<const volatile __u64*>(&proofs); };
    const auto before = seen();
    const auto result = ::syscall(SYS_delete_module, proof_name.c_str(), O_NONBLOCK);
    const int error = errno;
    if (result == 0 || error != EPERM)
        return fail({ENOTSUP, fmt::format("the kernel did not heed it, and answered {}",
                                          result == 0 ? "success" : std::generic_category().message(error))});
    if (seen() == before)
        return fail({ENOTSUP, "the kernel denied it without asking the program"});
    return {};
}

void Enforcer::FreeLink::operator()(bpf_link* link) const {
    bpf_link__destroy(link);
}

Enforcer::Enforcer(PolicyPorts ports) : ports_(std::move(ports)) {}
Enforcer::Enforcer(Enforcer&&) noexcept = default;
Enforcer& Enforcer::operator=(Enforcer&&) noexcept = default;
Enforcer::~Enforcer() = default;

Result<void> Enforcer::write_rules(const Policy& policy) const {
    // Those in force stay as they are until all of the new ones are there.
    const auto in_force = *ports_.rules_in_force;
    const std::uint32_t first = in_force >> 32U != 0 ? 0 : DISARMD_RULES_MAX;
    for (std::uint32_t i = 0; i < policy.rules.size(); ++i) {
        const auto compiled = compile(policy.rules[i]);
        if (!compiled)
            return fail(compiled.error());
        const std::uint32_t index = first + i;
        if (bpf_map_update_elem(ports_.rules, &index, &*compiled, BPF_ANY) != 0)
            return fail(Error::from_errno("writing a rule of the policy"));
    }
    std::atomic_ref(*ports_.rules_in_force)
        .store(std::uint64_t{first} << 32U | static_cast<std::uint32_t>(policy.rules.size()));
    std::atomic_ref(*ports_.drain_limit_ns)
        .store(static_cast<std::uint64_t>(std::chrono::nanoseconds(policy.drain).count()));
    return {};
}

void Enforcer::place(Link& link, bpf_program* program, std::string_view purpose) {
    if (link)
        return;
    link.reset(bpf_program__attach(program));
    if (!link)
        not_effective_.push_back(
            fmt::format("{}: {}", purpose, Error::from_errno("the kernel refuses the program").text()));
}

void Enforcer::prove() {
    auto proven = prove_denying(ports_.proof_name, *ports_.proofs);
    // Another task on this CPU may have been in the program just then.
    for (int again = 0; !proven && again < proof_attempts; ++again)
        proven = prove_denying(ports_.proof_name, *ports_.proofs);
    denies_ = proven.has_value();
    if (!proven)
        not_effective_.push_back(fmt::format("denying unloads: {}", proven.error().text()));
    else if (*ports_.denies_since_ns == 0)
        std::atomic_ref(*ports_.denies_since_ns).store(monotonic_ns());
}

Result<void> Enforcer::set_policy(const Policy& policy) {
    not_effective_.clear();
    denies_ = false;
    if (auto written = write_rules(policy); !written)
        return written;
    if (policy.can_deny()) {
        place(deny_, ports_.deny, "denying unloads");
        if (deny_)
            prove();
    }
    if (policy.can_drain())
        place(drain_, ports_.drain, "draining");
    else
        drain_.reset();
    std::atomic_ref(*ports_.drain_attached).store(drain_ ? 1U : 0U);
    return {};
}

Result<void> Enforcer::set_facts(const std::vector<std::pair<abi::module_key, std::uint32_t>>& facts) const {
    std::vector<abi::module_key> old;
    abi::module_key key{};
    for (bool first = true;
         bpf_map_get_next_key(ports_.module_facts, first ? nullptr : &old.back(), &key) == 0; first = false)
        old.push_back(key);
    for (const auto& [module, bits] : facts) {
        if (bpf_map_update_elem(ports_.module_facts, &module, &bits, BPF_ANY) != 0)
            return fail(Error::from_errno("telling the kernel programs what is known of a module"));
    }
    for (const auto& module : old) {
        const bool kept = std::ranges::any_of(facts, [&](const auto& fact) { return fact.first == module; });
        if (!kept)
            bpf_map_delete_elem(ports_.module_facts, &module);
    }
    return {};
}

std::vector<bpf_link*> Enforcer::links() const {
    std::vector<bpf_link*> links;
    for (const auto* const link : {&deny_, &drain_}) {
        if (*link)
            links.push_back(link->get());
    }
    return links;
}

} // namespace disarmd
