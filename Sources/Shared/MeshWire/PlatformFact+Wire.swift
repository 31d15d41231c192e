// SPDX-License-Identifier: Apache-2.0

import MeshModel

extension PlatformFact {
    /// More than a host has, and little enough for a frame.
    private static let mostNames = 4096
    private static let mostParameters = 256

    init(_ wire: WirePlatformFact, _ place: String) throws(WireError) {
        guard wire.parameters.count <= Self.mostParameters else {
            throw .badField(place: place + ".parameters", problem: "more than \(Self.mostParameters) parameters")
        }
        var parameters: [String: String] = [:]
        for (name, value) in wire.parameters {
            parameters[try WireField.text(name, place + ".parameters", limit: 128)] = try WireField.text(
                value, place + ".parameters", limit: 128)
        }
        self.init(
            memoryInBytes: wire.hasMemoryInBytes ? try WireField.size(wire.memoryInBytes, place + ".memory_in_bytes") : nil,
            processors: Int(wire.processors),
            processorModel: wire.hasProcessorModel ? try WireField.text(wire.processorModel, place + ".processor_model") : nil,
            processorLevel: wire.hasProcessorLevel ? Int(wire.processorLevel) : nil, parameters: parameters,
            cniFiles: wire.hasCniFiles ? try Self.names(wire.cniFiles, place + ".cni_files") : nil,
            serviceChains: wire.hasServiceChains ? try Self.names(wire.serviceChains, place + ".service_chains") : nil,
            programs: wire.hasPrograms
                ? try WireField.list(wire.programs.programs, place + ".programs", limit: BPFProgram.most) {
                    (item, place) throws(WireError) in try BPFProgram(item, place)
                } : nil,
            pins: wire.hasPins ? try WireField.texts(wire.pins.names, place + ".pins", limit: Self.mostNames) : nil,
            unseen: try WireField.texts(wire.unseen, place + ".unseen", limit: 64))
    }

    private static func names(_ list: WireNameList, _ place: String) throws(WireError) -> [String] {
        try WireField.texts(list.names, place, limit: mostNames)
    }

    var wire: WirePlatformFact {
        func list(_ names: [String]) -> WireNameList {
            var list = WireNameList()
            list.names = Array(names.prefix(Self.mostNames))
            return list
        }
        var wire = WirePlatformFact()
        if let memoryInBytes { wire.memoryInBytes = memoryInBytes }
        wire.processors = UInt32(clamping: processors)
        if let processorModel { wire.processorModel = processorModel }
        if let processorLevel { wire.processorLevel = UInt32(clamping: processorLevel) }
        wire.parameters = parameters
        if let cniFiles { wire.cniFiles = list(cniFiles) }
        if let serviceChains { wire.serviceChains = list(serviceChains) }
        if let programs {
            var list = WireBPFProgramList()
            list.programs = programs.prefix(BPFProgram.most).map(\.wire)
            wire.programs = list
        }
        if let pins { wire.pins = list(pins) }
        wire.unseen = unseen
        return wire
    }
}
