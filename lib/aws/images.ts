import type { Architecture } from './instance-types';

export interface ImageTable {
  /** When the source listed these ids. */
  readonly date: string;
  readonly source: string;
  readonly byRegion: Readonly<Record<string, Readonly<Record<Architecture, string>>>>;
}

/**
 * Amazon Linux 2023 images (standard edition) by Region. A fixed table, because a "latest image" parameter would replace
 * every host at whatever deployment comes after Amazon's next release. Amazon deprecates its images 90 days after their
 * release, which hides them from lists but does not stop a launch by id; packages come from the newest repository all
 * the same. `-c image=` takes any other image, or `latest`.
 */
export const IMAGES: ImageTable = {
  date: '2026-02-27',
  source: 'installer/region_map.d/aws of awslabs/scale-out-computing-on-aws, release 26.4.0 (entry amazonlinux2023)',
  byRegion: {
    'af-south-1': { arm64: 'ami-0ec86009294639bd4', x86_64: 'ami-0167a897f57bcc042' },
    'ap-east-1': { arm64: 'ami-00ca78ddc3884ddad', x86_64: 'ami-062d935d3086626d9' },
    'ap-northeast-1': { arm64: 'ami-0cae7523f9ec1c8dc', x86_64: 'ami-09cd9fdbf26acc6b4' },
    'ap-northeast-2': { arm64: 'ami-0d1ae7d9137336663', x86_64: 'ami-0b818a04bc9c2133c' },
    'ap-northeast-3': { arm64: 'ami-09cac8a09b02c6a73', x86_64: 'ami-06571d6ae17e327ff' },
    'ap-south-1': { arm64: 'ami-061d45d4bd9c71ba1', x86_64: 'ami-00ca570c1b6d79f36' },
    'ap-south-2': { arm64: 'ami-0889f6fef286255f7', x86_64: 'ami-0018df03456b303db' },
    'ap-southeast-1': { arm64: 'ami-0083aa2b4fd35d431', x86_64: 'ami-05f071c65e32875a8' },
    'ap-southeast-2': { arm64: 'ami-083dd800ab194788b', x86_64: 'ami-0b3c832b6b7289e44' },
    'ap-southeast-3': { arm64: 'ami-010745b953b20f86d', x86_64: 'ami-073a4494f1914921f' },
    'ap-southeast-4': { arm64: 'ami-0b35ddf4ea94119fb', x86_64: 'ami-02059d048e0884b9f' },
    'ap-southeast-5': { arm64: 'ami-038626b5e6acb4ea1', x86_64: 'ami-0ca10ed3edd29b728' },
    'ap-southeast-6': { arm64: 'ami-0a616c1720207d22d', x86_64: 'ami-0a2df89d7d56b8ba9' },
    'ca-central-1': { arm64: 'ami-0ff5c945a541fefd6', x86_64: 'ami-085f043560da76e08' },
    'ca-west-1': { arm64: 'ami-03dbd9d153fb27f18', x86_64: 'ami-05a07a3407bf6f4ba' },
    'eu-central-1': { arm64: 'ami-089dc6fe381a457ca', x86_64: 'ami-015f3aa67b494b27e' },
    'eu-central-2': { arm64: 'ami-070072b83545700d3', x86_64: 'ami-0690d0d28418c79dc' },
    'eu-north-1': { arm64: 'ami-0d7a78ae70b517e4d', x86_64: 'ami-0b46816ffa1234887' },
    'eu-south-1': { arm64: 'ami-0edaf31b7ccf3d5fd', x86_64: 'ami-058322ecf70947269' },
    'eu-south-2': { arm64: 'ami-077c0559626f7619d', x86_64: 'ami-06da7e46ca3aeb972' },
    'eu-west-1': { arm64: 'ami-00e63950076a66519', x86_64: 'ami-09c54d172e7aa3d9a' },
    'eu-west-2': { arm64: 'ami-0a9d57c940ece5b5a', x86_64: 'ami-099400d52583dd8c4' },
    'eu-west-3': { arm64: 'ami-0387f15c965e9e817', x86_64: 'ami-078abd88811000d7e' },
    'il-central-1': { arm64: 'ami-0dbccf30a43181c71', x86_64: 'ami-08d5737a897d9b273' },
    'me-central-1': { arm64: 'ami-0947c45e7ddd94e19', x86_64: 'ami-05524d6658fcf35b6' },
    'me-south-1': { arm64: 'ami-0856a38470b792bb3', x86_64: 'ami-036a48c9b0e5aa050' },
    'mx-central-1': { arm64: 'ami-0ddeca92d3f9fc2ea', x86_64: 'ami-065701bf1caf2e680' },
    'sa-east-1': { arm64: 'ami-093c270f28dc47377', x86_64: 'ami-0484b27e9143d1299' },
    'us-east-1': { arm64: 'ami-0720c0a2e1e125edd', x86_64: 'ami-068c0051b15cdb816' },
    'us-east-2': { arm64: 'ami-0d8674b411adffa9f', x86_64: 'ami-00e428798e77d38d9' },
    'us-west-1': { arm64: 'ami-0437f9b314bca719f', x86_64: 'ami-0623300d1b7caee89' },
    'us-west-2': { arm64: 'ami-0e723566181f273cd', x86_64: 'ami-0ebf411a80b6b22cb' },
  },
};

/** Public parameter that names the newest image; CloudFormation reads it at each deployment. */
export function latestImageParameter(architecture: Architecture): string {
  return `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-${architecture}`;
}
