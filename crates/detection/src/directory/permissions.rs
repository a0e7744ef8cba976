//! Permissions and directory roles by what their holder can do.
//!
//! Names serve for application permissions (app roles) and for delegated scopes: a scope reaches no further
//! than the rights of the user who signs in, but administrators sign in too, so the same name judges it.

/// What the holder of a permission or role can do at worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// Nothing that touches everybody.
    #[default]
    Ordinary,
    /// Read the directory: enough to plan with.
    Directory,
    /// Read or change what everybody owns, or a control that protects them.
    Sensitive,
    /// Take over the tenant: give itself, or an identity that it controls, any right.
    Zero,
}

/// Permissions in lower case, sorted; those that are not listed are ordinary. Tier 0 follows published paths
/// to Global Administrator: role and app-role assignment, credentials of any application, PIM schedules and
/// policies, sign-in methods and passwords of anybody, domains and root certificates of the tenant, consent
/// policy, access packages. `full_access_as_app` stands with them: it opens every mailbox, through which most
/// other things can be reset.
pub(crate) const PERMISSIONS: &[(&str, Tier)] = &[
    ("accessreview.read.all", Tier::Directory),
    ("administrativeunit.read.all", Tier::Directory),
    ("administrativeunit.readwrite.all", Tier::Sensitive),
    ("adsynchronization.readwrite.all", Tier::Zero),
    ("agreement.read.all", Tier::Directory),
    ("application.read.all", Tier::Directory),
    ("application.readwrite.all", Tier::Zero),
    ("application.readwrite.ownedby", Tier::Sensitive),
    ("approleassignment.readwrite.all", Tier::Zero),
    ("auditlog.read.all", Tier::Directory),
    ("bitlockerkey.read.all", Tier::Sensitive),
    ("calendars.read", Tier::Sensitive),
    ("calendars.readwrite", Tier::Sensitive),
    ("callrecords.read.all", Tier::Sensitive),
    ("channelmessage.read.all", Tier::Sensitive),
    ("chat.read", Tier::Sensitive),
    ("chat.read.all", Tier::Sensitive),
    ("chat.readwrite", Tier::Sensitive),
    ("chat.readwrite.all", Tier::Sensitive),
    ("chatmessage.read.all", Tier::Sensitive),
    ("consentrequest.readwrite.all", Tier::Sensitive),
    ("contacts.read", Tier::Sensitive),
    ("contacts.readwrite", Tier::Sensitive),
    ("customsecattributeassignment.read.all", Tier::Directory),
    ("customsecattributeassignment.readwrite.all", Tier::Sensitive),
    ("delegatedpermissiongrant.readwrite.all", Tier::Sensitive),
    ("device.read.all", Tier::Directory),
    ("devicelocalcredential.read.all", Tier::Sensitive),
    ("devicemanagementapps.readwrite.all", Tier::Sensitive),
    ("devicemanagementconfiguration.readwrite.all", Tier::Sensitive),
    ("devicemanagementmanageddevices.privilegedoperations.all", Tier::Sensitive),
    ("devicemanagementrbac.readwrite.all", Tier::Sensitive),
    ("devicemanagementscripts.readwrite.all", Tier::Sensitive),
    ("directory.accessasuser.all", Tier::Zero),
    ("directory.read.all", Tier::Directory),
    ("directory.readwrite.all", Tier::Zero),
    ("domain.read.all", Tier::Directory),
    ("domain.readwrite.all", Tier::Zero),
    ("ediscovery.read.all", Tier::Sensitive),
    ("ediscovery.readwrite.all", Tier::Sensitive),
    ("entitlementmanagement.read.all", Tier::Directory),
    ("entitlementmanagement.readwrite.all", Tier::Zero),
    ("ews.accessasuser.all", Tier::Sensitive),
    ("exchange.manageasapp", Tier::Sensitive),
    ("files.read", Tier::Sensitive),
    ("files.read.all", Tier::Sensitive),
    ("files.readwrite", Tier::Sensitive),
    ("files.readwrite.all", Tier::Sensitive),
    ("full_access_as_app", Tier::Zero),
    ("group.read.all", Tier::Directory),
    ("group.readwrite.all", Tier::Sensitive),
    ("groupmember.read.all", Tier::Directory),
    ("groupmember.readwrite.all", Tier::Sensitive),
    ("identityprovider.read.all", Tier::Directory),
    ("identityprovider.readwrite.all", Tier::Sensitive),
    ("identityriskevent.read.all", Tier::Directory),
    ("identityriskyserviceprincipal.read.all", Tier::Directory),
    ("identityriskyuser.read.all", Tier::Directory),
    ("imap.accessasapp", Tier::Sensitive),
    ("imap.accessasuser.all", Tier::Sensitive),
    ("mail.read", Tier::Sensitive),
    ("mail.read.shared", Tier::Sensitive),
    ("mail.readbasic", Tier::Sensitive),
    ("mail.readbasic.all", Tier::Sensitive),
    ("mail.readwrite", Tier::Sensitive),
    ("mail.readwrite.shared", Tier::Sensitive),
    ("mail.send", Tier::Sensitive),
    ("mail.send.shared", Tier::Sensitive),
    ("mailboxfolder.readwrite.all", Tier::Sensitive),
    ("mailboxitem.importexport.all", Tier::Sensitive),
    ("mailboxitem.read.all", Tier::Sensitive),
    ("mailboxsettings.read", Tier::Sensitive),
    ("mailboxsettings.readwrite", Tier::Sensitive),
    ("member.read.hidden", Tier::Directory),
    ("notes.read.all", Tier::Sensitive),
    ("notes.readwrite.all", Tier::Sensitive),
    ("onlinemeetingrecording.read.all", Tier::Sensitive),
    ("onlinemeetings.readwrite.all", Tier::Sensitive),
    ("onlinemeetingtranscript.read.all", Tier::Sensitive),
    ("organization.read.all", Tier::Directory),
    ("organization.readwrite.all", Tier::Zero),
    ("orgcontact.read.all", Tier::Directory),
    ("people.read.all", Tier::Directory),
    ("policy.read.all", Tier::Directory),
    ("policy.read.conditionalaccess", Tier::Directory),
    ("policy.read.permissiongrant", Tier::Directory),
    ("policy.readwrite.applicationconfiguration", Tier::Sensitive),
    ("policy.readwrite.authenticationflows", Tier::Sensitive),
    ("policy.readwrite.authenticationmethod", Tier::Sensitive),
    ("policy.readwrite.authorization", Tier::Sensitive),
    ("policy.readwrite.conditionalaccess", Tier::Sensitive),
    ("policy.readwrite.consentrequest", Tier::Sensitive),
    ("policy.readwrite.crosstenantaccess", Tier::Sensitive),
    ("policy.readwrite.externalidentities", Tier::Sensitive),
    ("policy.readwrite.featurerollout", Tier::Sensitive),
    ("policy.readwrite.permissiongrant", Tier::Zero),
    ("policy.readwrite.securitydefaults", Tier::Sensitive),
    ("policy.readwrite.trustframework", Tier::Sensitive),
    ("pop.accessasapp", Tier::Sensitive),
    ("pop.accessasuser.all", Tier::Sensitive),
    ("privilegedaccess.read.azuread", Tier::Directory),
    ("privilegedaccess.read.azureadgroup", Tier::Directory),
    ("privilegedaccess.read.azureresources", Tier::Directory),
    ("privilegedaccess.readwrite.azuread", Tier::Zero),
    ("privilegedaccess.readwrite.azureadgroup", Tier::Zero),
    ("privilegedaccess.readwrite.azureresources", Tier::Sensitive),
    ("privilegedassignmentschedule.read.azureadgroup", Tier::Directory),
    ("privilegedassignmentschedule.readwrite.azureadgroup", Tier::Zero),
    ("privilegedeligibilityschedule.read.azureadgroup", Tier::Directory),
    ("privilegedeligibilityschedule.readwrite.azureadgroup", Tier::Zero),
    ("reports.read.all", Tier::Directory),
    ("roleassignmentschedule.read.directory", Tier::Directory),
    ("roleassignmentschedule.readwrite.directory", Tier::Zero),
    ("roleeligibilityschedule.read.directory", Tier::Directory),
    ("roleeligibilityschedule.readwrite.directory", Tier::Zero),
    ("rolemanagement.read.all", Tier::Directory),
    ("rolemanagement.read.directory", Tier::Directory),
    ("rolemanagement.readwrite.directory", Tier::Zero),
    ("rolemanagement.readwrite.exchange", Tier::Sensitive),
    ("rolemanagementpolicy.read.directory", Tier::Directory),
    ("rolemanagementpolicy.readwrite.azureadgroup", Tier::Zero),
    ("rolemanagementpolicy.readwrite.directory", Tier::Zero),
    ("securityactions.readwrite.all", Tier::Sensitive),
    ("serviceprincipalendpoint.readwrite.all", Tier::Sensitive),
    ("sites.fullcontrol.all", Tier::Sensitive),
    ("sites.manage.all", Tier::Sensitive),
    ("sites.read.all", Tier::Sensitive),
    ("sites.readwrite.all", Tier::Sensitive),
    ("smtp.send", Tier::Sensitive),
    ("smtp.sendasapp", Tier::Sensitive),
    ("synchronization.read.all", Tier::Directory),
    ("synchronization.readwrite.all", Tier::Sensitive),
    ("team.readbasic.all", Tier::Directory),
    ("teammember.read.all", Tier::Directory),
    ("teamwork.migrate.all", Tier::Sensitive),
    ("threathunting.read.all", Tier::Sensitive),
    ("trustframeworkkeyset.readwrite.all", Tier::Sensitive),
    ("user-passwordprofile.readwrite.all", Tier::Zero),
    ("user.deleterestore.all", Tier::Sensitive),
    ("user.enabledisableaccount.all", Tier::Sensitive),
    ("user.export.all", Tier::Sensitive),
    ("user.invite.all", Tier::Sensitive),
    ("user.manageidentities.all", Tier::Sensitive),
    ("user.read.all", Tier::Directory),
    ("user.readbasic.all", Tier::Directory),
    ("user.readwrite.all", Tier::Sensitive),
    ("user_impersonation", Tier::Sensitive),
    ("userauthenticationmethod.read.all", Tier::Sensitive),
    ("userauthenticationmethod.readwrite.all", Tier::Zero),
    ("userauthmethod-passkey.readwrite.all", Tier::Zero),
    ("userauthmethod-tap.readwrite.all", Tier::Zero),
];

/// App roles by id, sorted: the audit log sometimes gives the id alone. Microsoft Graph, Exchange Online and
/// `SharePoint` Online (which has a `Sites.FullControl.All` of its own); ids are unique across them.
pub(crate) const APP_ROLES: &[(u128, &str)] = &[
    (0x01c0_a623_fc9b_48e9_b794_0756_f8e8_f067, "Policy.ReadWrite.ConditionalAccess"),
    (0x01d4_889c_1287_42c6_ac1f_5d1e_0257_8ef6, "Files.Read.All"),
    (0x025d_3225_3f02_4882_b4c0_cd5b_541a_4e80, "RoleManagement.ReadWrite.Exchange"),
    (0x06b7_08a9_e830_4db3_a914_8e69_da51_d44f, "AppRoleAssignment.ReadWrite.All"),
    (0x0c0b_f378_bf22_4481_8f81_9e89_a9b4_960a, "Sites.Manage.All"),
    (0x18a4_783c_866b_4cc7_a460_3d5e_5662_c884, "Application.ReadWrite.OwnedBy"),
    (0x19db_c75e_c2e2_444c_a770_ec69_d855_9fc7, "Directory.ReadWrite.All"),
    (0x1bfe_fb4e_e0b5_418b_a88f_73c4_6d2c_c8e9, "Application.ReadWrite.All"),
    (0x246d_d0d5_5bd0_4def_940b_0421_030a_5b68, "Policy.Read.All"),
    (0x292d_869f_3427_49a8_9dab_8c70_152b_74e9, "Organization.ReadWrite.All"),
    (0x294c_e7c9_31ba_490a_ad7d_97a7_d075_e4ed, "Chat.ReadWrite.All"),
    (0x29c1_8626_4985_4dcd_85c0_193e_ef32_7366, "Policy.ReadWrite.AuthenticationMethod"),
    (0x2f68_17f8_7b12_4f0f_bc18_eeaf_6070_5a9e, "PrivilegedAccess.ReadWrite.AzureADGroup"),
    (0x3011_c876_62b7_4ada_afa2_506c_bbec_c68c, "User.EnableDisableAccount.All"),
    (0x31e0_8e0a_d3f7_4ca2_ac39_7343_fb83_e8ad, "RoleManagementPolicy.ReadWrite.Directory"),
    (0x332a_536c_c7ef_4017_ab91_3369_7092_4f0d, "Sites.Read.All"),
    (0x3aec_a27b_ee3a_4c2b_8ded_8037_6e21_34a4, "Notes.Read.All"),
    (0x405a_51b5_8d8d_430b_9842_8be4_b0e9_f324, "User.Export.All"),
    (0x4120_2f2c_f7ab_45be_b001_85c9_728b_9d69, "PrivilegedAssignmentSchedule.ReadWrite.AzureADGroup"),
    (0x483b_ed4a_2ad3_4361_a73b_c83c_cdbd_c53c, "RoleManagement.Read.Directory"),
    (0x5048_3e42_d915_4231_9639_7fdb_7fd1_90e5, "UserAuthenticationMethod.ReadWrite.All"),
    (0x57f1_cf28_c0c4_4ec3_9a30_19a2_eaaf_2f6e, "BitlockerKey.Read.All"),
    (0x5b07_b0dd_2377_4e44_a38d_703f_09a0_dc3c, "DeviceManagementManagedDevices.PrivilegedOperations.All"),
    (0x5b56_7255_7703_4780_807c_7be8_301a_e99b, "Group.Read.All"),
    (0x5eb5_9dd3_1da2_4329_8733_9dab_dc43_5916, "AdministrativeUnit.ReadWrite.All"),
    (0x618b_6020_bca8_4de6_99f6_ef44_5fa4_d857, "PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup"),
    (0x62a8_2d76_70ea_41e2_9197_3705_8180_4d09, "Group.ReadWrite.All"),
    (0x6785_36fe_1083_478a_9c59_b992_65e6_b0d3, "Sites.FullControl.All"),
    (0x6931_bccd_447a_43d1_b442_00a1_9547_4933, "MailboxSettings.ReadWrite"),
    (0x693c_5e45_0940_467d_9b8a_1022_fb9d_42ef, "Mail.ReadBasic.All"),
    (0x6b7d_71aa_70aa_4810_a8d9_5d9f_b283_0017, "Chat.Read.All"),
    (0x6f9d_5abc_2db6_400b_a267_7de2_2a40_fb87, "PrivilegedAccess.ReadWrite.AzureResources"),
    (0x741f_803b_c850_494e_b5df_cde7_c675_a1ca, "User.ReadWrite.All"),
    (0x7438_b122_aefc_4978_80ed_43db_9fcc_7715, "Device.Read.All"),
    (0x7535_9482_378d_4052_8f01_8052_0e7d_b3cd, "Files.ReadWrite.All"),
    (0x7ab1_d382_f21e_4acd_a863_ba3e_13f7_da61, "Directory.Read.All"),
    (0x7b24_49af_6ccd_4f4d_9f78_e550_c193_f0d1, "ChannelMessage.Read.All"),
    (0x7e05_723c_0bb0_42da_be95_ae9f_08a6_e53c, "Domain.ReadWrite.All"),
    (0x810c_84a8_4a9e_49e6_bf7d_12d1_83f4_0d01, "Mail.Read"),
    (0x854d_9ab1_6657_4ec8_be45_8230_27bc_d009, "PrivilegedAccess.ReadWrite.AzureAD"),
    (0x8e8e_4742_1d95_4f68_9d56_6ee7_5648_c72a, "DelegatedPermissionGrant.ReadWrite.All"),
    (0x9241_abd9_d0e6_425a_bd4f_47ba_86e7_67a4, "DeviceManagementConfiguration.ReadWrite.All"),
    (0x9492_366f_7969_46a4_8d15_ed1a_2007_8fff, "Sites.ReadWrite.All"),
    (0x9883_0695_27a2_44f7_8c18_0c3e_bc96_98f6, "GroupMember.Read.All"),
    (0x9a5d_68dd_52b0_4cc2_bd40_abcf_44ac_3a30, "Application.Read.All"),
    (0x9acd_699f_1e81_4958_b001_93b1_d250_6e19, "EntitlementManagement.ReadWrite.All"),
    (0x9e3f_62cf_ca93_4989_b6ce_bf83_c28f_9fe8, "RoleManagement.ReadWrite.Directory"),
    (0xa402_ca1c_2696_4531_972d_6e5e_e4aa_11ea, "Policy.ReadWrite.PermissionGrant"),
    (0xa821_16e5_55eb_4c41_a434_62fe_8a61_c773, "Sites.FullControl.All"),
    (0xab43_b826_2c7a_4aff_9ecd_d062_9d0c_a6a9, "ADSynchronization.ReadWrite.All"),
    (0xb0af_ded3_3588_46d8_8b3d_9842_eff7_78da, "AuditLog.Read.All"),
    (0xb633_e1c5_b582_4048_a93e_9f11_b44c_7e96, "Mail.Send"),
    (0xbe74_164b_cff1_491c_8741_e671_cb53_6e13, "Policy.ReadWrite.ApplicationConfiguration"),
    (0xc7fb_d983_d9aa_4fa7_84b8_1738_2c10_3bc4, "RoleManagement.Read.All"),
    (0xcc11_7bb9_00cf_4eb8_b580_ea2a_878f_e8f7, "User-PasswordProfile.ReadWrite.All"),
    (0xdbaa_e8cf_10b5_4b86_a4a1_f871_c94c_6695, "GroupMember.ReadWrite.All"),
    (0xdc50_a0fb_09a3_484d_be87_e023_b12c_6440, "Exchange.ManageAsApp"),
    (0xdc89_0d15_9560_4a4c_9b7f_a736_ec74_ec40, "full_access_as_app"),
    (0xdd19_9f4a_f148_40a4_a2ec_f006_9cc7_99ec, "RoleAssignmentSchedule.ReadWrite.Directory"),
    (0xdf02_1288_bdef_4463_88db_98f2_2de8_9214, "User.Read.All"),
    (0xe2a3_a72e_5f79_4c64_b1b1_878b_6747_86c9, "Mail.ReadWrite"),
    (0xe330_c4f0_4170_414e_a55a_2f02_2ec2_b57b, "DeviceManagementRBAC.ReadWrite.All"),
    (0xef54_d2bf_783f_4e0f_bca1_3210_c044_4d99, "Calendars.ReadWrite"),
    (0xfb22_1be6_99f2_473f_bd32_01c6_a0e9_ca3b, "Policy.ReadWrite.Authorization"),
    (0xfee2_8b28_e1f3_4841_818e_2704_dc62_245f, "RoleEligibilitySchedule.ReadWrite.Directory"),
];

/// Directory roles by name in lower case, sorted, under former names too (`Company Administrator`). Roles
/// that are not listed are ordinary.
pub(crate) const ROLES: &[(&str, Tier)] = &[
    ("agent id administrator", Tier::Sensitive),
    ("application administrator", Tier::Zero),
    ("application developer", Tier::Ordinary),
    ("attribute provisioning administrator", Tier::Sensitive),
    ("authentication administrator", Tier::Sensitive),
    ("authentication extensibility administrator", Tier::Sensitive),
    ("authentication policy administrator", Tier::Sensitive),
    ("azure devops administrator", Tier::Sensitive),
    ("b2c ief keyset administrator", Tier::Sensitive),
    ("cloud application administrator", Tier::Zero),
    ("cloud device administrator", Tier::Sensitive),
    ("company administrator", Tier::Zero),
    ("compliance administrator", Tier::Sensitive),
    ("conditional access administrator", Tier::Sensitive),
    ("directory readers", Tier::Directory),
    ("directory synchronization accounts", Tier::Sensitive),
    ("directory writers", Tier::Sensitive),
    ("domain name administrator", Tier::Zero),
    ("exchange administrator", Tier::Sensitive),
    ("exchange service administrator", Tier::Sensitive),
    ("external identity provider administrator", Tier::Sensitive),
    ("global administrator", Tier::Zero),
    ("global reader", Tier::Directory),
    ("groups administrator", Tier::Sensitive),
    ("helpdesk administrator", Tier::Sensitive),
    ("hybrid identity administrator", Tier::Zero),
    ("identity governance administrator", Tier::Sensitive),
    ("intune administrator", Tier::Sensitive),
    ("intune service administrator", Tier::Sensitive),
    ("lifecycle workflows administrator", Tier::Sensitive),
    ("partner tier1 support", Tier::Sensitive),
    ("partner tier2 support", Tier::Zero),
    ("password administrator", Tier::Sensitive),
    ("power platform administrator", Tier::Sensitive),
    ("privileged authentication administrator", Tier::Zero),
    ("privileged role administrator", Tier::Zero),
    ("reports reader", Tier::Directory),
    ("security administrator", Tier::Sensitive),
    ("security operator", Tier::Sensitive),
    ("security reader", Tier::Directory),
    ("sharepoint administrator", Tier::Sensitive),
    ("sharepoint service administrator", Tier::Sensitive),
    ("teams administrator", Tier::Sensitive),
    ("user account administrator", Tier::Sensitive),
    ("user administrator", Tier::Sensitive),
    ("windows 365 administrator", Tier::Sensitive),
];

/// Directory roles by template id, sorted. For built-in roles the id of the role definition is the same.
pub(crate) const ROLE_TEMPLATES: &[(u128, Tier)] = &[
    // Authentication Policy Administrator
    (0x0526_716b_113d_4c15_b2c8_68e3_c22b_9f80, Tier::Sensitive),
    // Windows 365 Administrator
    (0x1145_1d60_acb2_45eb_a7d6_43d0_f012_5c13, Tier::Sensitive),
    // Power Platform Administrator
    (0x1164_8597_926c_4cf3_9c36_bceb_b0ba_8dcc, Tier::Sensitive),
    // Cloud Application Administrator
    (0x158c_047a_c907_4556_b7ef_4465_51a6_b5f7, Tier::Zero),
    // Compliance Administrator
    (0x1731_5797_102d_40b4_93e0_4320_62ca_ca18, Tier::Sensitive),
    // Security Administrator
    (0x194a_e4cb_b126_40b2_bd5b_6091_b380_977d, Tier::Sensitive),
    // Authentication Extensibility Administrator
    (0x25a5_16ed_2fa0_40ea_a2d0_1292_3a21_473a, Tier::Sensitive),
    // Exchange Administrator
    (0x2923_2cdf_9323_42fd_ade2_1d09_7af3_e4de, Tier::Sensitive),
    // Intune Administrator
    (0x3a2c_62db_5318_420d_8d74_23af_fee5_d9d5, Tier::Sensitive),
    // Identity Governance Administrator
    (0x45d8_d3c5_c802_45c6_b32a_1d70_b5e1_e86e, Tier::Sensitive),
    // Reports Reader
    (0x4a5d_8f65_41da_4de4_8968_e035_b653_39cf, Tier::Directory),
    // Partner Tier1 Support
    (0x4ba3_9ca4_527c_499a_b93d_d9b4_92c5_0246, Tier::Sensitive),
    // Lifecycle Workflows Administrator
    (0x59d4_6f88_662b_457b_bceb_5c38_09e5_908f, Tier::Sensitive),
    // Security Reader
    (0x5d6b_6bb7_de71_4623_b4af_9638_0a35_2509, Tier::Directory),
    // Security Operator
    (0x5f22_22b1_57c3_48ba_8ad5_d475_9f1f_de6f, Tier::Sensitive),
    // Global Administrator
    (0x62e9_0394_69f5_4237_9190_0121_7714_5e10, Tier::Zero),
    // Teams Administrator
    (0x6909_1246_20e8_4a56_aa4d_0660_75b2_a7a8, Tier::Sensitive),
    // Helpdesk Administrator
    (0x7298_27e3_9c14_49f7_bb1b_9608_f156_bbb8, Tier::Sensitive),
    // Cloud Device Administrator
    (0x7698_a772_787b_4ac8_901f_60d6_b08a_ffd2, Tier::Sensitive),
    // Privileged Authentication Administrator
    (0x7be4_4c8a_adaf_4e2a_84d6_ab26_49e0_8a13, Tier::Zero),
    // Domain Name Administrator
    (0x8329_153b_31d0_4727_b945_745e_b3bc_5f31, Tier::Zero),
    // Directory Readers
    (0x88d8_e3e3_8f55_4a1e_953a_9b98_98b8_876b, Tier::Directory),
    // Hybrid Identity Administrator
    (0x8ac3_fc64_6eca_42ea_9e69_59f4_c7b6_0eb2, Tier::Zero),
    // Directory Writers
    (0x9360_feb5_f418_4baa_8175_e2a0_0bac_4301, Tier::Sensitive),
    // Password Administrator
    (0x9667_07d0_3269_4727_9be2_8c3a_10f1_9b9d, Tier::Sensitive),
    // Application Administrator
    (0x9b89_5d92_2cd3_44c7_9d02_a6ac_2d5e_a5c3, Tier::Zero),
    // B2C IEF Keyset Administrator
    (0xaaf4_3236_0c0d_4d5f_883a_6955_382a_c081, Tier::Sensitive),
    // Conditional Access Administrator
    (0xb1be_1c3e_b65d_4f19_8427_f6fa_0d97_feb9, Tier::Sensitive),
    // External Identity Provider Administrator
    (0xbe2f_45a1_457d_42af_a067_6ec1_fa63_bc45, Tier::Sensitive),
    // Authentication Administrator
    (0xc4e3_9bd9_1100_46d3_8c65_fb16_0da0_071f, Tier::Sensitive),
    // Application Developer
    (0xcf1c_38e5_3621_4004_a7cb_8796_24dc_ed7c, Tier::Ordinary),
    // Directory Synchronization Accounts
    (0xd29b_2b05_8046_44ba_8758_1e26_182f_cf32, Tier::Sensitive),
    // Agent ID Administrator
    (0xdb50_6228_d27e_4b7d_95e5_2959_56d6_615f, Tier::Sensitive),
    // Partner Tier2 Support
    (0xe00e_864a_17c5_4a4b_9c06_f5b9_5a8d_5bd8, Tier::Zero),
    // Azure DevOps Administrator
    (0xe397_3bdf_4987_49ae_837a_ba8e_231c_7286, Tier::Sensitive),
    // Privileged Role Administrator
    (0xe861_1ab8_c189_46e8_94e1_6021_3ab1_f814, Tier::Zero),
    // Attribute Provisioning Administrator
    (0xecb2_c6bf_0ab6_418e_bd87_7986_f8d6_3bbe, Tier::Sensitive),
    // SharePoint Administrator
    (0xf28a_1f50_f6e7_4571_818b_6a12_f2af_6b6c, Tier::Sensitive),
    // Global Reader
    (0xf2ef_992c_3afb_46b9_b7cf_a126_ee74_c451, Tier::Directory),
    // Groups Administrator
    (0xfdd7_a751_b60b_444a_984c_0265_2fe8_fa1c, Tier::Sensitive),
    // User Administrator
    (0xfe93_0be7_5e62_47db_91af_98c3_a49a_38b1, Tier::Sensitive),
];

fn of_name(table: &[(&str, Tier)], name: &str) -> Tier {
    let spelled = || name.trim().bytes().map(|byte| byte.to_ascii_lowercase());
    match table.binary_search_by(|(known, _)| known.bytes().cmp(spelled())) {
        Ok(index) => table[index].1,
        Err(_) => Tier::Ordinary,
    }
}

/// Tier of a permission: `Mail.Read`, also with its resource (`https://graph.microsoft.com/Mail.Read`). Of one that
/// the table lacks the name tells: whatever writes `.All` reaches what everybody owns (security operations guide).
pub(crate) fn tier(permission: &str) -> Tier {
    let name = permission.rsplit('/').next().unwrap_or(permission).trim();
    match of_name(PERMISSIONS, name) {
        Tier::Ordinary => {
            let ends = |ending: &str| {
                name.len() > ending.len()
                    && name.as_bytes()[name.len() - ending.len()..].eq_ignore_ascii_case(ending.as_bytes())
            };
            match () {
                () if ends(".ReadWrite.All") => Tier::Sensitive,
                () if ends(".Read.All") => Tier::Directory,
                () => Tier::Ordinary,
            }
        }
        known => known,
    }
}

/// Name of an app role of Microsoft's APIs.
pub(crate) fn app_role(id: u128) -> Option<&'static str> {
    APP_ROLES.binary_search_by_key(&id, |(known, _)| *known).ok().map(|index| APP_ROLES[index].1)
}

/// Tier of a directory role by its display name.
pub(crate) fn role_tier(name: &str) -> Tier {
    of_name(ROLES, name)
}

/// Tier of a directory role by its template id.
pub(crate) fn role_template_tier(id: u128) -> Tier {
    match ROLE_TEMPLATES.binary_search_by_key(&id, |(known, _)| *known) {
        Ok(index) => ROLE_TEMPLATES[index].1,
        Err(_) => Tier::Ordinary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order() {
        assert!(PERMISSIONS.is_sorted_by(|left, right| left.0 < right.0));
        assert!(APP_ROLES.is_sorted_by(|left, right| left.0 < right.0));
        assert!(ROLES.is_sorted_by(|left, right| left.0 < right.0));
        assert!(ROLE_TEMPLATES.is_sorted_by(|left, right| left.0 < right.0));
        assert!(APP_ROLES.iter().all(|(_, name)| tier(name) > Tier::Ordinary));
    }

    #[test]
    fn names_are_found_however_they_are_spelled() {
        assert_eq!(tier("RoleManagement.ReadWrite.Directory"), Tier::Zero);
        assert_eq!(tier(" https://graph.microsoft.com/mail.read"), Tier::Sensitive);
        assert_eq!(tier("User.Read.All"), Tier::Directory);
        assert_eq!(tier("User.Read"), Tier::Ordinary);
        assert_eq!(tier("Credentials.ReadWrite.All"), Tier::Sensitive, "by its name");
        assert_eq!(tier(".ReadWrite.All"), Tier::Ordinary);
        assert_eq!(role_tier("Company Administrator"), role_tier("Global Administrator"));
        assert_eq!(role_template_tier(0x62e9_0394_69f5_4237_9190_0121_7714_5e10), Tier::Zero);
        assert_eq!(
            app_role(0x9e3f_62cf_ca93_4989_b6ce_bf83_c28f_9fe8),
            Some("RoleManagement.ReadWrite.Directory")
        );
    }
}
