// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import HostTrace

@Suite struct LoaderWordsTests {
    @Test("a missing tracepoint is told in libbpf's words with what it means") func missing() {
        let text = "libbpf: prog 'trace_x': failed to find kernel BTF type ID of 'x': -3\nlibbpf: failed to load object 'meshgate'\n"
        let said = LoaderWords.reason(in: text, errno: ESRCH)
        #expect(said == "prog 'trace_x': failed to find kernel BTF type ID of 'x': -3 (this kernel has no such tracepoint with BTF)")
    }

    @Test("the verifier's last complaint counts, not its statistics") func verifier() {
        let text = """
            libbpf: prog 'trace_exec': BPF program load failed: Permission denied
            libbpf: prog 'trace_exec': -- BEGIN PROG LOAD LOG --
            0: R1=ctx(off=0,imm=0) R10=fp0
            7: (85) call bpf_probe_read_user#112
            R2 min value is negative, either use unsigned or 'var &= const'
            processed 8 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
            -- END PROG LOAD LOG --
            libbpf: failed to load object 'meshgate'
            """
        let said = LoaderWords.reason(in: text, errno: EACCES)
        #expect(said == "R2 min value is negative, either use unsigned or 'var &= const' (the kernel's verifier does not accept it)")
    }

    @Test(
        "a kernel that is locked down withholds a function, and that is said",
        arguments: [
            "unknown func bpf_probe_read_kernel#113", "unknown func bpf_probe_read#4",
            "program of this type cannot use helper bpf_probe_read_kernel#113",
        ]) func lockedDown(line: String)
    {
        let text = """
            libbpf: prog 'trace_exec': -- BEGIN PROG LOAD LOG --
            \(line)
            processed 8 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
            -- END PROG LOAD LOG --
            """
        let said = LoaderWords.reason(in: text, errno: EINVAL)
        #expect(said == "\(line) (programs may not read this kernel's memory: it runs with lockdown=confidentiality)")
        #expect(!LoaderWords.reason(in: text.replacing("probe_read", with: "loop"), errno: EINVAL).contains("lockdown"))
    }

    @Test("without a word of libbpf the error number speaks, and EPERM names what is needed") func bare() {
        #expect(LoaderWords.reason(in: "", errno: ENOMEM).hasPrefix("Cannot allocate memory"))
        #expect(LoaderWords.reason(in: "  \n", errno: EPERM).contains("CAP_BPF and CAP_PERFMON"))
    }

    @Test("any text gives a reason") func fuzz() {
        var random = TraceRecordTests.Seeded(state: 7)
        let pieces = ["libbpf: ", "\n", "-- END PROG LOAD LOG --", "-- BEGIN PROG LOAD LOG --", "processed ", " ", "\t", "é", "\r\n", "x"]
        for _ in 0..<5000 {
            let text = (0..<Int.random(in: 0..<30, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            #expect(!LoaderWords.reason(in: text, errno: EINVAL).isEmpty)
        }
    }
}
