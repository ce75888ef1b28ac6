package s3server

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	h := freshHome(t)
	ctx := t.Context()
	loc, err := h.client.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: aws.String(bucket)})
	if err != nil || loc.LocationConstraint != "" {
		t.Errorf("location: %v %v", loc, err)
	}
	ver, err := h.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: aws.String(bucket)})
	if err != nil || ver.Status != "" {
		t.Errorf("versioning: %v %v", ver, err)
	}
	if _, err := h.client.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: aws.String(bucket)}); err != nil {
		t.Errorf("notification: %v", err)
	}
	_, err = h.client.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: aws.String("nobody")})
	wantCode(t, err, "NoSuchBucket")
	_, err = h.client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: aws.String(bucket), VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	wantCode(t, err, "NotImplemented")
	_, err = h.client.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: aws.String("another"), NotificationConfiguration: &types.NotificationConfiguration{},
	})
	wantCode(t, err, "NotImplemented")

	h.put(t, "k", "v")
	tags, err := h.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(bucket), Key: aws.String("k")})
	if err != nil || len(tags.TagSet) != 0 {
		t.Errorf("tagging: %v %v", tags, err)
	}
	_, err = h.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(bucket), Key: aws.String("none")})
	wantCode(t, err, "NoSuchKey")
	_, err = h.client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{
		Bucket: aws.String(bucket), Key: aws.String("k"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}},
	})
	wantCode(t, err, "NotImplemented")
}
