package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2t "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
)

// Network is what connects the VPCs of both Regions.
type Network struct {
	// Peering is the state of the peering connection, as EC2 calls it.
	Peering string `json:"peering"`
	// Transit is the state of the attachment between the transit gateways; empty where
	// there are none.
	Transit string `json:"transit,omitempty"`
	// Dropped: a security group lets no connection through to private addresses.
	Dropped bool `json:"dropped,omitempty"`
	// Down: nothing that the bot asks of the platform, of AWS or of name servers leaves.
	Down bool `json:"down,omitempty"`
}

// VPC is that of a Region.
type VPC struct {
	Networks []string `json:"networks"`
	// Tables are its route tables, by id; Hub are those of the transit gateway.
	Tables map[string][]Route `json:"tables"`
	Hub    map[string][]Route `json:"hub,omitempty"`
}

// Route is an entry of a route table: a network, or a prefix list, and the id of what it
// goes to.
type Route struct {
	To        string `json:"to"`
	Via       string `json:"via"`
	Blackhole bool   `json:"blackhole,omitempty"`
}

// What connects the VPCs, as the settings name it.
const (
	PeeringID    = "pcx-0pretend"
	AttachmentID = "tgw-attach-0pretend"
)

func vpcID(region string) string { return "vpc-" + region }

// HubID is the transit gateway of a Region.
func HubID(region string) string { return "tgw-" + region }

// privateNets are the VPCs' own networks.
var privateNets = map[string]string{homeRegion: "10.16.0.0/16", standbyRegion: "10.32.0.0/16"}

// reachAddr takes connections from inside the VPCs.
func reachAddr(region string) string {
	return strings.TrimSuffix(privateNets[region], "0.0/16") + "0.10:80"
}

func beginVPC(region string) VPC {
	v := VPC{Networks: []string{privateNets[region]}, Tables: map[string][]Route{}}
	for _, name := range []string{"public", "private"} {
		v.Tables["rtb-"+name+"-"+region] = []Route{
			{To: privateNets[region], Via: "local"}, {To: "0.0.0.0/0", Via: "igw-" + region}, {To: privateNets[otherRegion(region)], Via: PeeringID},
		}
	}
	return v
}

var ec2API = awsAPI{
	system: "aws.ec2",
	operations: map[string]operation{
		"DescribeRegions":                          reads(describeRegions).lostAs(Refuse),
		"DescribeNetworkInterfaces":                reads(describeInterfaces),
		"DescribeVpcs":                             reads(describeVPCs),
		"DescribeInstances":                        reads(describeInstances).lostAs(Hang),
		"StopInstances":                            changes(stopInstances).lostAs(Hang),
		"DescribeInstanceStatus":                   reads(describeInstanceStatus).lostAs(Hang),
		"DescribeRouteTables":                      reads(describeRouteTables),
		"DescribeVpcPeeringConnections":            reads(describePeering),
		"DescribeTransitGatewayPeeringAttachments": reads(describeTransitPeering),
		"DescribeTransitGatewayRouteTables":        reads(describeTransitTables),
		"SearchTransitGatewayRoutes":               reads(searchTransitRoutes),
	},
	target: func(in any) string {
		switch in := in.(type) {
		case *ec2.DescribeVpcsInput:
			return strings.Join(in.VpcIds, ",")
		case *ec2.StopInstancesInput:
			return strings.Join(in.InstanceIds, ",")
		case *ec2.DescribeInstanceStatusInput:
			return strings.Join(in.InstanceIds, ",")
		case *ec2.DescribeVpcPeeringConnectionsInput:
			return strings.Join(in.VpcPeeringConnectionIds, ",")
		case *ec2.DescribeTransitGatewayPeeringAttachmentsInput:
			return strings.Join(in.TransitGatewayAttachmentIds, ",")
		case *ec2.SearchTransitGatewayRoutesInput:
			return deref(in.TransitGatewayRouteTableId)
		}
		return ""
	},
}

// notInEC2 is how EC2 says that an id is nothing: the kind is in the code.
func notInEC2(kind, id string) error {
	return &smithy.GenericAPIError{Code: "Invalid" + kind + ".NotFound", Message: fmt.Sprintf("The ID '%s' does not exist", id), Fault: smithy.FaultClient}
}

// describeRegions are those of the world and one that the account has not enabled.
func describeRegions(request, *ec2.DescribeRegionsInput) (*ec2.DescribeRegionsOutput, error) {
	out := &ec2.DescribeRegionsOutput{}
	for _, name := range regionNames {
		out.Regions = append(out.Regions, ec2t.Region{RegionName: ptr(name), OptInStatus: ptr("opt-in-not-required")})
	}
	out.Regions = append(out.Regions, ec2t.Region{RegionName: ptr("af-south-1"), OptInStatus: ptr("not-opted-in")})
	return out, nil
}

func describeVPCs(r request, in *ec2.DescribeVpcsInput) (*ec2.DescribeVpcsOutput, error) {
	for _, id := range in.VpcIds {
		if id != vpcID(r.region) {
			return nil, notInEC2("VpcID", id)
		}
	}
	v := ec2t.Vpc{VpcId: ptr(vpcID(r.region)), State: ec2t.VpcStateAvailable}
	for _, n := range r.Regions[r.region].VPC.Networks {
		v.CidrBlockAssociationSet = append(v.CidrBlockAssociationSet, ec2t.VpcCidrBlockAssociation{
			CidrBlock: ptr(n), CidrBlockState: &ec2t.VpcCidrBlockState{State: ec2t.VpcCidrBlockStateCodeAssociated},
		})
	}
	return &ec2.DescribeVpcsOutput{Vpcs: []ec2t.Vpc{v}}, nil
}

// describeRouteTables gives one table a page.
func describeRouteTables(r request, in *ec2.DescribeRouteTablesInput) (*ec2.DescribeRouteTablesOutput, error) {
	out, all := &ec2.DescribeRouteTablesOutput{}, r.Regions[r.region].VPC.Tables
	for _, f := range in.Filters {
		if deref(f.Name) == "vpc-id" && !slices.Contains(f.Values, vpcID(r.region)) {
			return out, nil
		}
	}
	for _, id := range sortedKeys(all) {
		if id <= deref(in.NextToken) {
			continue
		}
		if len(out.RouteTables) > 0 {
			out.NextToken = out.RouteTables[0].RouteTableId
			break
		}
		t := ec2t.RouteTable{RouteTableId: ptr(id), VpcId: ptr(vpcID(r.region))}
		for _, has := range all[id] {
			one := ec2t.Route{State: ec2t.RouteStateActive}
			if has.Blackhole {
				one.State = ec2t.RouteStateBlackhole
			}
			switch {
			case strings.HasPrefix(has.To, "pl-"):
				one.DestinationPrefixListId = ptr(has.To)
			case strings.Contains(has.To, ":"):
				one.DestinationIpv6CidrBlock = ptr(has.To)
			default:
				one.DestinationCidrBlock = ptr(has.To)
			}
			switch {
			case strings.HasPrefix(has.Via, "pcx-"):
				one.VpcPeeringConnectionId = ptr(has.Via)
			case strings.HasPrefix(has.Via, "tgw-"):
				one.TransitGatewayId = ptr(has.Via)
			default:
				one.GatewayId = ptr(has.Via)
			}
			t.Routes = append(t.Routes, one)
		}
		out.RouteTables = append(out.RouteTables, t)
	}
	return out, nil
}

func describePeering(r request, in *ec2.DescribeVpcPeeringConnectionsInput) (*ec2.DescribeVpcPeeringConnectionsOutput, error) {
	for _, id := range in.VpcPeeringConnectionIds {
		if id != PeeringID || r.Network.Peering == "" {
			return nil, notInEC2("VpcPeeringConnectionID", id)
		}
	}
	if r.Network.Peering == "" {
		return &ec2.DescribeVpcPeeringConnectionsOutput{}, nil
	}
	return &ec2.DescribeVpcPeeringConnectionsOutput{VpcPeeringConnections: []ec2t.VpcPeeringConnection{{
		VpcPeeringConnectionId: ptr(PeeringID), Status: &ec2t.VpcPeeringConnectionStateReason{Code: ec2t.VpcPeeringConnectionStateReasonCode(r.Network.Peering)},
		RequesterVpcInfo: &ec2t.VpcPeeringConnectionVpcInfo{VpcId: ptr(vpcID(homeRegion)), Region: ptr(homeRegion)},
		AccepterVpcInfo:  &ec2t.VpcPeeringConnectionVpcInfo{VpcId: ptr(vpcID(standbyRegion)), Region: ptr(standbyRegion)},
	}}}, nil
}

func describeTransitPeering(r request, in *ec2.DescribeTransitGatewayPeeringAttachmentsInput) (*ec2.DescribeTransitGatewayPeeringAttachmentsOutput, error) {
	for _, id := range in.TransitGatewayAttachmentIds {
		if id != AttachmentID || r.Network.Transit == "" {
			return nil, notInEC2("TransitGatewayAttachmentID", id)
		}
	}
	if r.Network.Transit == "" {
		return &ec2.DescribeTransitGatewayPeeringAttachmentsOutput{}, nil
	}
	end := func(region string) *ec2t.PeeringTgwInfo {
		return &ec2t.PeeringTgwInfo{Region: ptr(region), TransitGatewayId: ptr(HubID(region)), OwnerId: ptr(account)}
	}
	return &ec2.DescribeTransitGatewayPeeringAttachmentsOutput{TransitGatewayPeeringAttachments: []ec2t.TransitGatewayPeeringAttachment{{
		TransitGatewayAttachmentId: ptr(AttachmentID), State: ec2t.TransitGatewayAttachmentState(r.Network.Transit),
		RequesterTgwInfo: end(homeRegion), AccepterTgwInfo: end(standbyRegion),
	}}}, nil
}

func describeTransitTables(r request, in *ec2.DescribeTransitGatewayRouteTablesInput) (*ec2.DescribeTransitGatewayRouteTablesOutput, error) {
	out := &ec2.DescribeTransitGatewayRouteTablesOutput{}
	for _, f := range in.Filters {
		if deref(f.Name) == "transit-gateway-id" && !slices.Contains(f.Values, HubID(r.region)) {
			return out, nil
		}
	}
	for _, id := range sortedKeys(r.Regions[r.region].VPC.Hub) {
		out.TransitGatewayRouteTables = append(out.TransitGatewayRouteTables, ec2t.TransitGatewayRouteTable{
			TransitGatewayRouteTableId: ptr(id), TransitGatewayId: ptr(HubID(r.region)), State: ec2t.TransitGatewayRouteTableStateAvailable,
		})
	}
	return out, nil
}

func searchTransitRoutes(r request, in *ec2.SearchTransitGatewayRoutesInput) (*ec2.SearchTransitGatewayRoutesOutput, error) {
	id := deref(in.TransitGatewayRouteTableId)
	all, there := r.Regions[r.region].VPC.Hub[id]
	if !there {
		return nil, notInEC2("RouteTableID", id)
	}
	out := &ec2.SearchTransitGatewayRoutesOutput{}
	for _, has := range all {
		one := ec2t.TransitGatewayRoute{
			DestinationCidrBlock: ptr(has.To), State: ec2t.TransitGatewayRouteStateActive, Type: ec2t.TransitGatewayRouteTypeStatic,
			TransitGatewayAttachments: []ec2t.TransitGatewayRouteAttachment{{TransitGatewayAttachmentId: ptr(has.Via)}},
		}
		if has.Blackhole {
			one.State = ec2t.TransitGatewayRouteStateBlackhole
		}
		if !slices.ContainsFunc(in.Filters, func(f ec2t.Filter) bool {
			return deref(f.Name) == "attachment.transit-gateway-attachment-id" && !slices.Contains(f.Values, has.Via)
		}) {
			out.Routes = append(out.Routes, one)
		}
	}
	return out, nil
}
