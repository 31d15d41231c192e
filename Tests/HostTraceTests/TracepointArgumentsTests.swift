// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import HostTrace

@Suite(.enabled(if: access("/sys/kernel/btf/vmlinux", R_OK) == 0, "this kernel has no BTF"))
struct TracepointArgumentsTests {
    @Test("a tracepoint's arguments are counted as this kernel declares them") func counts() {
        let arguments = TracepointArguments()
        // (task, old_pid, binprm) and (sock, old, new) since before 6.1; a later argument came to each of the others.
        #expect(arguments.count(of: "sched_process_exec") == 3)
        #expect(arguments.count(of: "inet_sock_set_state") == 3)
        #expect([1, 2].contains(arguments.count(of: "sched_process_exit")))
        #expect([2, 3].contains(arguments.count(of: "tcp_retransmit_skb")))
    }

    @Test("a tracepoint that is none has no arguments") func unknown() {
        #expect(TracepointArguments().count(of: "no_such_tracepoint") == nil)
        #expect(TracepointArguments().count(of: "") == nil)
    }
}
