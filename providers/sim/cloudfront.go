package sim

import (
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	cft "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
)

// Distribution is CloudFront's, in front of both load balancers.
type Distribution struct {
	Disabled bool `json:"disabled,omitempty"`
	// Status as CloudFront calls it.
	Status string `json:"status"`
	// Origins are domain names, by id.
	Origins map[string]string `json:"origins"`
	Groups  []OriginGroup     `json:"groups"`
	// Paths are its cache behaviours; the first is the default one.
	Paths []CachedPath `json:"paths"`
}

// OriginGroup is one of the distribution's: its second origin is tried after the first.
type OriginGroup struct {
	ID      string   `json:"id"`
	Origins []string `json:"origins"`
	Codes   []int32  `json:"codes"`
}

// CachedPath is a cache behaviour.
type CachedPath struct {
	Pattern string       `json:"pattern"`
	Target  string       `json:"target"` // an origin or a group
	Methods []cft.Method `json:"methods"`
}

const (
	distributionID = "E2PRETEND0WORLD"
	bothOrigins    = "both-regions"
)

func originOf(region string) string { return "alb-" + region }

func beginDistribution() Distribution {
	d := Distribution{
		Status: "Deployed", Origins: map[string]string{},
		Paths: []CachedPath{
			{Target: bothOrigins, Methods: []cft.Method{cft.MethodGet, cft.MethodHead}},
			{Pattern: "/static/*", Target: bothOrigins, Methods: []cft.Method{cft.MethodGet, cft.MethodHead, cft.MethodOptions}},
		},
		Groups: []OriginGroup{{ID: bothOrigins, Codes: []int32{500, 502, 503, 504}}},
	}
	for _, region := range regionNames {
		d.Origins[originOf(region)] = endpointHost(region)
		d.Groups[0].Origins = append(d.Groups[0].Origins, originOf(region))
	}
	return d
}

var cloudfrontAPI = awsAPI{
	system: "aws.cloudfront", home: homeRegion,
	operations: map[string]operation{"GetDistribution": reads(getDistribution), "ListDistributions": reads(listDistributions).lostAs(Refuse)},
	target: func(in any) string {
		if in, ok := in.(*cloudfront.GetDistributionInput); ok {
			return deref(in.Id)
		}
		return ""
	},
}

func getDistribution(r request, in *cloudfront.GetDistributionInput) (*cloudfront.GetDistributionOutput, error) {
	if deref(in.Id) != distributionID {
		return nil, &cft.NoSuchDistribution{Message: ptr("The specified distribution does not exist.")}
	}
	has := r.Distribution
	c := &cft.DistributionConfig{
		CallerReference: ptr("pretend"), Comment: ptr("shop"), Enabled: ptr(!has.Disabled), Origins: &cft.Origins{}, OriginGroups: &cft.OriginGroups{},
		CacheBehaviors: &cft.CacheBehaviors{},
	}
	for _, id := range sortedKeys(has.Origins) {
		c.Origins.Items = append(c.Origins.Items, cft.Origin{Id: ptr(id), DomainName: ptr(has.Origins[id])})
	}
	for _, g := range has.Groups {
		one := cft.OriginGroup{
			Id: ptr(g.ID), Members: &cft.OriginGroupMembers{Quantity: ptr(int32(len(g.Origins)))},
			FailoverCriteria: &cft.OriginGroupFailoverCriteria{StatusCodes: &cft.StatusCodes{Items: g.Codes, Quantity: ptr(int32(len(g.Codes)))}},
		}
		for _, id := range g.Origins {
			one.Members.Items = append(one.Members.Items, cft.OriginGroupMember{OriginId: ptr(id)})
		}
		c.OriginGroups.Items = append(c.OriginGroups.Items, one)
	}
	for i, p := range has.Paths {
		methods := &cft.AllowedMethods{Items: p.Methods, Quantity: ptr(int32(len(p.Methods)))}
		if i == 0 {
			c.DefaultCacheBehavior = &cft.DefaultCacheBehavior{TargetOriginId: ptr(p.Target), AllowedMethods: methods, ViewerProtocolPolicy: cft.ViewerProtocolPolicyRedirectToHttps}
			continue
		}
		c.CacheBehaviors.Items = append(c.CacheBehaviors.Items, cft.CacheBehavior{
			PathPattern: ptr(p.Pattern), TargetOriginId: ptr(p.Target), AllowedMethods: methods, ViewerProtocolPolicy: cft.ViewerProtocolPolicyRedirectToHttps,
		})
	}
	c.Origins.Quantity, c.OriginGroups.Quantity, c.CacheBehaviors.Quantity = ptr(int32(len(c.Origins.Items))), ptr(int32(len(c.OriginGroups.Items))), ptr(int32(len(c.CacheBehaviors.Items)))
	return &cloudfront.GetDistributionOutput{ETag: ptr("E3PRETEND"), Distribution: &cft.Distribution{
		ARN: ptr("arn:aws:cloudfront::" + account + ":distribution/" + distributionID), Id: ptr(distributionID), DomainName: ptr("d111111abcdef8.cloudfront.net"),
		Status: ptr(has.Status), LastModifiedTime: ptr(r.Start), InProgressInvalidationBatches: ptr(int32(0)), DistributionConfig: c,
	}}, nil
}

func listDistributions(r request, _ *cloudfront.ListDistributionsInput) (*cloudfront.ListDistributionsOutput, error) {
	got, err := getDistribution(r, &cloudfront.GetDistributionInput{Id: ptr(distributionID)})
	if err != nil {
		return nil, err
	}
	d := got.Distribution
	one := cft.DistributionSummary{
		ARN: d.ARN, Id: d.Id, DomainName: d.DomainName, Status: d.Status, Enabled: d.DistributionConfig.Enabled, Origins: d.DistributionConfig.Origins,
		OriginGroups: d.DistributionConfig.OriginGroups, Comment: d.DistributionConfig.Comment, Aliases: &cft.Aliases{Quantity: ptr(int32(0))},
	}
	return &cloudfront.ListDistributionsOutput{DistributionList: &cft.DistributionList{
		IsTruncated: ptr(false), Marker: ptr(""), MaxItems: ptr(int32(100)), Quantity: ptr(int32(1)), Items: []cft.DistributionSummary{one},
	}}, nil
}
