// SPDX-License-Identifier: Apache-2.0

import Foundation
import PackagePlugin

/// Compiles `bpf/trace.bpf.c` of a room for the kernel's virtual machine, with the clang of the Swift toolchain, and puts the object into the
/// room as the letters of `TraceObject`. The repository holds the source alone.
@main
struct BPFObject: BuildToolPlugin {
    /// No standard headers: the programs run in a kernel that is not this machine's. `-g` writes the BTF by which field accesses are moved to
    /// where the running kernel has them.
    private static let flags = ["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-ffreestanding", "-Wall", "-Wextra", "-Werror"]

    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let directory = target.directoryURL.appending(path: "bpf")
        let records = context.package.directoryURL.appending(path: "Sources/Agent/CHostTrace/include")
        let output = context.pluginWorkDirectoryURL.appending(path: "TraceObject.swift")
        let strip = try context.tool(named: "llvm-objcopy").url
        let compiler = try context.tool(named: "clang").url
        var arguments = ["TraceObject", output.path, strip.path, compiler.path]
        arguments += Self.flags
        arguments += ["-I", records.path, "-c", directory.appending(path: "trace.bpf.c").path]
        return [
            .buildCommand(
                displayName: "Compiling trace.bpf.c for the kernel", executable: try context.tool(named: "embed").url,
                arguments: arguments, inputFiles: try files(directory) + files(records), outputFiles: [output])
        ]
    }

    private func files(_ directory: URL) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil).sorted { $0.path < $1.path }
    }
}
