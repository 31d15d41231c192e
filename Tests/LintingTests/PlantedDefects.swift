// SPDX-License-Identifier: Apache-2.0

import Linting

private let secondPort = "cilium: { clustermesh: { nodePort: 32380 } }"
private let lastService = "    - { name: metrics, manifest: https://example.org/v0.7.2/metrics.yaml }"

/// Each rule at least once. The replaced text occurs in sound.yaml; only its first occurrence is replaced.
let plantedDefects: [Planted] = [
    Planted("L-CM-1", .error, "clusters[1].id", "id: 2", "id: 300"),
    Planted("L-CM-2", .error, "clusters[1].id", "id: 2", "id: 1"),
    Planted("L-CM-3", .error, "clusters[2].name", "- name: c\n", "- name: default\n"),
    Planted("L-CM-3", .error, "clusters[2].name", "- name: c\n", "- name: c-\n"),
    Planted(
        "L-CM-4", .error, "clusters[1].cilium.clustermesh.maxConnectedClusters", secondPort,
        "cilium: { clustermesh: { nodePort: 32380, maxConnectedClusters: 511 } }"),
    Planted("L-CM-6", .warning, "clusters[2].id", "id: 3", "id: 200\n      cilium: { values: { cni.chainingMode: aws-cni } }"),
    Planted("L-CTX-2", .error, "clusters[2].context", "context: c", "context: admin@a"),
    Planted("L-EP-2", .error, "clusters[2].endpoint", "https://c.example:6443", "https://192.168.20.10:6443"),
    Planted("L-EP-1", .warning, "clusters[1].endpoint", "https://192.168.20.10:6443", "https://192.168.20.11:6443"),
    Planted("L-NP-1", .error, "clusters[1].cilium.clustermesh.nodePort", "nodePort: 32380", "nodePort: 2379"),
    Planted("L-NP-2", .error, "clusters[1].cilium.clustermesh.nodePort", "nodePort: 32380", "nodePort: 32379"),
    Planted(
        "L-NP-2", .warning, "clusters[1].cilium.clustermesh.nodePort", "cilium: 1.18.5, gatewayAPI: 1.3.0 }",
        "cilium: 1.19.0, gatewayAPI: 1.4.1 }"
    ).and("nodePort: 32380", "nodePort: 32379"),
    Planted("L-NP-3", .warning, "clusters[2].nodes", "        - { name: c-2, role: worker, address: 192.168.40.2 }\n", ""),
    Planted("L-CIDR-1", .error, "clusters[1].podCIDRs[0]", "10.245.0.0/16", "10.244.128.0/17"),
    Planted("L-CIDR-2", .error, "clusters[1].podCIDRs[0]", "10.245.0.0/16", "192.168.20.0/22"),
    Planted("L-CIDR-2", .error, "clusters[1].serviceCIDRs[0]", "10.112.0.0/12", "192.168.30.0/25"),
    Planted("L-CIDR-3", .warning, "clusters[1].serviceCIDRs[0]", "10.112.0.0/12", "10.96.0.0/16"),
    Planted("L-CIDR-4", .error, "clusters[1].podCIDRs", "10.245.0.0/16", "10.245.0.0/24"),
    Planted(
        "L-CIDR-5", .error, "clusters[1].cilium.ipv4NativeRoutingCIDR", secondPort,
        "cilium: { ipv4NativeRoutingCIDR: 192.168.0.0/16 }"),
    Planted(
        "L-CIDR-5", .warning, "clusters[1].cilium.ipv4NativeRoutingCIDR", secondPort, "cilium: { ipv4NativeRoutingCIDR: 10.245.0.0/16 }"),
    Planted("L-NET-2", .error, "networks[1].gateway", "gateway: 192.168.20.1 ", "gateway: 192.168.21.1 "),
    Planted("L-NET-3", .error, "networks[2].cidr", "192.168.30.0/24", "192.168.15.128/25"),
    Planted("L-ADDR-1", .error, "clusters[1].nodes[1].address", "192.168.20.21", "192.168.21.21"),
    Planted("L-ADDR-2", .error, "clusters[1].nodes[1].address", "192.168.20.21", "192.168.20.11"),
    Planted("L-ADDR-2", .error, "hypervisors[1].address", "192.168.88.11", "192.168.88.10"),
    Planted("L-ADDR-3", .error, "clusters[1].nodes[1].address", "192.168.20.21", "192.168.20.255"),
    Planted("L-DP-1", .error, "clusters[1].cilium.routingMode", secondPort, "cilium: { routingMode: native }"),
    Planted(
        "L-DP-1", .error, "clusters[1].cilium.tunnelProtocol", secondPort, "cilium: { tunnelProtocol: geneve, tunnelPort: 8472 }"),
    Planted("L-DP-1", .error, "clusters[1].cilium.tunnelPort", secondPort, "cilium: { tunnelPort: 8473 }"),
    Planted("L-DP-1", .error, "clusters[1].cilium.encryption", secondPort, "cilium: { encryption: wireguard }"),
    Planted("L-DP-1", .error, "clusters[1].cilium.values.ipam.mode", secondPort, "cilium: { values: { ipam: { mode: kubernetes } } }"),
    Planted("L-DP-1", .error, "clusters[1].podCIDRs", "[10.245.0.0/16]", "[10.245.0.0/16, \"fd00:10::/56\"]"),
    Planted("L-DP-2", .error, "clusters[0].cilium.mtu", "mtu: 1450", "mtu: 1500"),
    Planted("L-KPR-1", .error, "clusters[1].kubeProxy", secondPort, "kubeProxy: true\n      cilium: { kubeProxyReplacement: true }"),
    Planted("L-KPR-2", .error, "clusters[1].cilium.k8sServicePort", secondPort, "cilium: { k8sServicePort: 6443 }"),
    Planted("L-KPR-2", .error, "clusters[2].cilium.k8sServiceHost", "kubeProxy: true", "kubeProxy: false"),
    Planted(
        "L-L2-1", .error, "clusters[2].cilium.l2announcements", "kubeProxy: true",
        "kubeProxy: true\n      cilium: { l2announcements: true }"),
    Planted("L-L2-2", .warning, "clusters[0].cilium.l2announcements", "qps: 50", "qps: 10"),
    Planted("L-L2-1", .error, "clusters[0].cilium.l2Policies", "l2announcements: true", "l2announcements: false"),
    Planted(
        "L-L2-1", .error, "clusters[0].cilium.l2Policies", "        lbPools: [ { name: lan, blocks: [192.168.15.200-192.168.15.220] } ]\n",
        ""),
    Planted(
        "L-L2-3", .error, "clusters[0].cilium.lbPools[0].blocks[0]", "192.168.15.200-192.168.15.220", "192.168.16.200-192.168.16.220"),
    Planted(
        "L-LB-1", .error, "clusters[0].cilium.lbPools[0].blocks[0]", "192.168.15.100-192.168.15.150", "192.168.15.100-192.168.15.205"),
    Planted("L-LB-1", .error, "clusters[0].cilium.lbPools[0].blocks[0]", "192.168.15.200-192.168.15.220", "192.168.15.13-192.168.15.20"),
    Planted(
        "L-LB-1", .error, "clusters[0].cilium.lbPools[0].blocks[1]", "[192.168.15.200-192.168.15.220]",
        "[192.168.15.200-192.168.15.220, 192.168.15.208/29]"),
    Planted("L-BGP-1", .error, "clusters[0].cilium.bgp.localASN", "localASN: 64512", "localASN: 23456"),
    Planted("L-BGP-1", .error, "clusters[0].cilium.bgp.peers[0].asn", "asn: 64500", "asn: 4294967296"),
    Planted("L-BGP-1", .error, "clusters[0].cilium.bgp.peers[0].holdTime", "holdTime: 90", "holdTime: 2"),
    Planted("L-BGP-1", .error, "clusters[0].cilium.bgp.peers[0].keepalive", "keepalive: 30", "keepalive: 91"),
    Planted("L-BGP-1", .error, "clusters[0].cilium.bgp.peers[0].address", "192.168.15.254", "192.168.99.254"),
    Planted("L-BGP-1", .error, "clusters[0].cilium.bgp.peers[0].address", "192.168.15.254", "192.168.15.13"),
    Planted("L-BGP-1", .error, "clusters[0].cilium.bgp.routerIDs[0]", "id: 10.0.0.2", "id: 192.168.15.11"),
    Planted(
        "L-TIME-1", .warning, "clusters[0].talos.timeServers", "[ntp-1.example, ntp-2.example]", "[ntp-1.example]"),
    Planted("L-TIME-1", .warning, "clusters[1].talos.timeServers", "[ntp-2.example, ntp-1.example]", "[ntp-2.example, ntp-3.example]"),
    Planted(
        "L-TAL-2", .warning, "clusters[0].talos", "installer: registry.example/talos/installer", "extensions: [siderolabs/qemu-guest-agent]"
    ),
    Planted(
        "L-TAL-2", .warning, "clusters[1].talos.extensions", "installer: registry.example/talos/installer, timeServers: [ntp-2",
        "timeServers: [ntp-2"
    ).and("address: 192.168.20.11,", "address: 192.168.20.11, agent: none,").and(
        "address: 192.168.20.21,", "address: 192.168.20.21, agent: none,"),
    Planted("L-GW-1", .error, "versions.gatewayAPI", "gatewayAPI: 1.3.0", "gatewayAPI: 1.1.0"),
    Planted("L-GW-1", .error, "versions.gatewayAPI", "gatewayAPI: 1.3.0", "gatewayAPI: 1.5.0"),
    Planted("L-GW-1", .warning, "versions.gatewayAPI", "gatewayAPI: 1.3.0", "gatewayAPI: 1.2.1"),
    Planted("L-VER-1", .error, "versions", "talos: 1.11.3, ", ""),
    Planted("L-NIC-1", .warning, "clusters[1].nodes[0].interfaces[1]", ", mac: \"bc:24:11:00:00:02\"", ""),
    Planted("L-NIC-1", .warning, "clusters[0].cilium.values.devices", "devices: ens18", "devices: eth0"),
    Planted("L-NIC-2", .error, "networks[1].vlan", "vlan: 200", "vlan: 4095"),
    Planted(
        "L-NIC-2", .error, "clusters[1].nodes[1].interfaces[0].name", "[ { name: ens18, network: b-lan } ]",
        "[ { name: ens18.200, network: b-lan } ]"),
    Planted("L-NET-1", .error, "clusters[1].nodes[0].interfaces[1].network", ", { name: v300, network: storage }", ""),
    Planted("L-MAC-1", .error, "clusters[1].nodes[0].interfaces[1].mac", "bc:24:11:00:00:02", "bc:24:11:00:00:01"),
    Planted("L-MAC-1", .error, "clusters[1].nodes[0].interfaces[1].mac", "bc:24:11:00:00:02", "01:24:11:00:00:02"),
    Planted("L-CP-1", .warning, "clusters[2].nodes", "c-2, role: worker", "c-2, role: controlPlane"),
    Planted("L-CP-1", .error, "clusters[2].nodes", "c-1, role: controlPlane", "c-1, role: worker"),
    Planted("L-DISK-1", .error, "clusters[0].nodes[1].disks[0]", "serial: a-2-data, ", ""),
    Planted("L-DISK-1", .error, "clusters[0].nodes[1].disks[0].serial", "serial: a-2-data", "serial: a-2-data-of-the-second"),
    Planted("L-DISK-1", .error, "clusters[0].nodes[1].disks[0].serial", "serial: a-2-data", "serial: a-1-data"),
    Planted("L-DISK-2", .error, "clusters[0].nodes[2].disks[1].size", "size: 2GiB", "size: 2MiB"),
    Planted("L-AGT-1", .error, "clusters[0].nodes[2].disks[0]", "192.168.15.13, hypervisor", "192.168.15.13, agent: none, hypervisor"),
    Planted("L-DISK-3", .info, "clusters[0].nodes[2].disks[0]", "192.168.15.13, hypervisor: pve-2", "192.168.15.13"),
    Planted("L-CAP-2", .error, "hypervisors[0].capacity.memory", "memory: 16GiB", "memory: 127GiB"),
    Planted("L-CAP-2", .warning, "hypervisors[0].capacity.cores", "cores: 4", "cores: 200"),
    Planted("L-CAP-2", .warning, "clusters[0].nodes", "192.168.15.11, hypervisor: pve-1", "192.168.15.11, hypervisor: pve-2"),
    Planted("L-ROOK-1", .error, "services[0].chart.version", "version: v1.18.7", "version: 1.18"),
    Planted("L-ROOK-1", .error, "services[0].chart.name", "name: rook-ceph,", "name: rook-ceph-cluster,"),
    Planted("L-ROOK-2", .warning, "services[0].clusters", "clusters: [a]", "clusters: [a, b]"),
    Planted(
        "L-SVC-1", .warning, "services[1].chart.version", lastService,
        "    - { name: tetragon, chart: { version: 0.8.0 } }"),
    Planted("L-PIN-1", .warning, "services[1].manifest", "/v0.7.2/", "/main/"),
    Planted(
        "L-PIN-1", .warning, "services[1].chart.version", lastService,
        "    - { name: m, chart: { repo: https://x, name: m, version: \"*\" } }"),
    Planted(
        "L-CSI-1", .error, "services[1].chart.name", lastService,
        "    - { name: m, chart: { repo: https://x, name: csi-digitalocean, version: 4.8.0 } }"),
]
