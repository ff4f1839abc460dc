"""Prints as JSON what the emulator holds of a stack: hosts, targets, security groups, logs, parameters, outputs."""

import base64
import hashlib
import json
import sys

import boto3

stack_name, bucket = sys.argv[1], sys.argv[2]
ec2, elb, s3 = boto3.client("ec2"), boto3.client("elbv2"), boto3.client("s3")
cloudformation, logs, ssm = boto3.client("cloudformation"), boto3.client("logs"), boto3.client("ssm")


def hosts():
    for reservation in ec2.describe_instances()["Reservations"]:
        for host in reservation["Instances"]:
            identity = host["InstanceId"]
            data = ec2.describe_instance_attribute(InstanceId=identity, Attribute="userData")["UserData"]
            yield {
                "id": identity,
                "type": host["InstanceType"],
                "image": host["ImageId"],
                "subnet": host["SubnetId"],
                "groups": [group["GroupId"] for group in host["SecurityGroups"]],
                "tags": {tag["Key"]: tag["Value"] for tag in host.get("Tags", [])},
                "state": host["State"]["Name"],
                "userData": base64.b64decode(data["Value"]).decode(),
            }


# The emulator does not register targets: what the deployed template says is resolved to what was made.
made = {
    each["LogicalResourceId"]: each.get("PhysicalResourceId")
    for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_name)
    for each in page["StackResourceSummaries"]
}
template = cloudformation.get_template(StackName=stack_name)["TemplateBody"]
members = {
    made[name]: [
        {"id": made[each["Id"]["Ref"]], "port": each["Port"]} for each in resource["Properties"].get("Targets", [])
    ]
    for name, resource in template["Resources"].items()
    if resource["Type"] == "AWS::ElasticLoadBalancingV2::TargetGroup"
}


def targets():
    for group in elb.describe_target_groups()["TargetGroups"]:
        yield {
            "port": group["Port"],
            "healthPath": group["HealthCheckPath"],
            "members": members[group["TargetGroupArn"]],
        }


def security_groups():
    for group in ec2.describe_security_groups()["SecurityGroups"]:
        yield {
            "id": group["GroupId"],
            "description": group["Description"],
            "ingress": [
                {
                    "protocol": rule["IpProtocol"],
                    "fromPort": rule.get("FromPort"),
                    "toPort": rule.get("ToPort"),
                    "groups": [pair["GroupId"] for pair in rule["UserIdGroupPairs"]],
                    "ranges": [each["CidrIp"] for each in rule["IpRanges"]],
                }
                for rule in group["IpPermissions"]
            ],
        }


def assets():
    for item in s3.list_objects_v2(Bucket=bucket, MaxKeys=1000).get("Contents", []):
        body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        entry = {"key": item["Key"], "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        if item["Key"].endswith(".json"):
            entry["json"] = json.loads(body)
        if item["Key"].endswith(".zip"):
            import io
            import zipfile

            entry["files"] = sorted(zipfile.ZipFile(io.BytesIO(body)).namelist())
        yield entry


stack = cloudformation.describe_stacks(StackName=stack_name)["Stacks"][0]
subnets = ec2.describe_subnets()["Subnets"]
json.dump(
    {
        "status": stack["StackStatus"],
        "outputs": {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])},
        "hosts": list(hosts()),
        "targets": list(targets()),
        "balancers": [each["DNSName"] for each in elb.describe_load_balancers()["LoadBalancers"]],
        "groups": list(security_groups()),
        "subnets": {each["SubnetId"]: each["MapPublicIpOnLaunch"] for each in subnets},
        "natGateways": len(ec2.describe_nat_gateways()["NatGateways"]),
        "endpoints": sorted(each["ServiceName"] for each in ec2.describe_vpc_endpoints()["VpcEndpoints"]),
        "logGroups": [
            {"name": each["logGroupName"], "retention": each.get("retentionInDays")}
            for each in logs.describe_log_groups()["logGroups"]
        ],
        "parameters": {
            each["Name"]: ssm.get_parameter(Name=each["Name"])["Parameter"]["Value"]
            for each in ssm.describe_parameters()["Parameters"]
        },
        "assets": list(assets()),
    },
    sys.stdout,
)
